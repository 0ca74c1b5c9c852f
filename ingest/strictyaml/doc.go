// Package strictyaml turns the text of a YAML file into a tree of values that know their place, and every
// mistake in it into a Problem: file:line:column, the line with a caret, what was expected, the nearest name.
//
// It reads the part of YAML that people write by hand, and JSON with it: one document of maps, lists and
// scalars. What makes a file mean something else than it seems is refused by name: anchors, aliases, merge
// keys, tags, directives, a second document, a key that stands twice, control characters. Size and nesting
// are bounded, so a hostile file costs a bounded time and never the process.
//
// A Reader does not stop at the first mistake: it collects them all, over all files it reads.
package strictyaml
