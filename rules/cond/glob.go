package cond

// Glob is a compiled pattern: * stands for any run of characters, ? for one, everything else ([ and \
// included) for itself. The zero value matches the empty name only.
type Glob struct {
	pattern string
}

// MaxGlob is the longest pattern, in bytes.
const MaxGlob = 64

// CompileGlob compiles a pattern; an error says why it cannot be one.
func CompileGlob(pattern string) (Glob, error) { panic("not built yet") }

// Match reports whether the whole of name matches, in time linear in the pattern times the name.
func (g Glob) Match(name []byte) bool { panic("not built yet") }
