package strictyaml

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

const everything = `
title: {en: Oil, zh: 机油}
list: [a, b]
word: red
flag: true
number: 2.5
whole: 7
wait: 90s
`

func allKeys() Keys {
	return Keys{What: "a thing", Known: []string{"title", "list", "word", "flag", "number", "whole", "wait"}, Later: []string{"colour"}}
}

func TestFields(t *testing.T) {
	var r Reader
	m := r.Fields(r.Parse("f", everything), allKeys())
	var list []string
	for _, n := range r.List(m["list"], "list") {
		s, _ := r.Text(n, "an entry")
		list = append(list, s)
	}
	if !slices.Equal(list, []string{"a", "b"}) {
		t.Errorf("list %q", list)
	}
	if title := r.Localized(m["title"], "title"); len(title) != 2 || title[1].Language != "zh" || title[1].Text != "机油" || title[1].Node.Place() != "f:2:22" {
		t.Errorf("title %+v at %s", title, title[1].Node.Place())
	}
	if s, ok := r.Choice(m["word"], "word", []string{"red", "green"}, nil); !ok || s != "red" {
		t.Errorf("word %q, %v", s, ok)
	}
	if !r.Flag(m["flag"], "flag") {
		t.Error("flag is false")
	}
	if v, ok := r.Number(m["number"], "number", 0, 3); !ok || v != 2.5 {
		t.Errorf("number %v, %v", v, ok)
	}
	if v, ok := r.Whole(m["whole"], "whole", 7, 7); !ok || v != 7 {
		t.Errorf("whole %v, %v", v, ok)
	}
	if d, ok := r.Duration(m["wait"], "wait"); !ok || d != 90*time.Second {
		t.Errorf("wait %v, %v", d, ok)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// Each wrong value is told with what was found and what was expected.
func TestWrongValues(t *testing.T) {
	inf := math.Inf(1)
	for _, x := range []struct {
		text string
		read func(r *Reader, n *Node)
		want string
	}{
		{"[]", func(r *Reader, n *Node) { r.Fields(n, allKeys()) }, "a thing is a list|a map with the keys title, list, word, flag, number, whole, wait|"},
		{"[]", func(r *Reader, n *Node) { r.Fields(n, Keys{What: "it", Known: []string{"one"}}) }, "it is a list|a map with the key one|"},
		{"{wrod: x}", func(r *Reader, n *Node) { r.Fields(n, allKeys()) }, `unknown key "wrod" in a thing|one of title, list, word, flag, number, whole, wait|word`},
		{"{colour: x}", func(r *Reader, n *Node) { r.Fields(n, allKeys()) }, `"colour" is not in this version||`},
		{"x", func(r *Reader, n *Node) { r.List(n, "it") }, "it is text|a list|"},
		{"1", func(r *Reader, n *Node) { r.Text(n, "it") }, "it is a whole number|text|"},
		{"gren", func(r *Reader, n *Node) { r.Choice(n, "it", []string{"red", "green"}, nil) }, `it is "gren"|one of red, green|green`},
		{"blue", func(r *Reader, n *Node) { r.Choice(n, "it", []string{"red"}, []string{"blue"}) }, `"blue" is not in this version|red|`},
		{"yes", func(r *Reader, n *Node) { r.Flag(n, "it") }, `it is "yes"|true or false|`},
		{"4", func(r *Reader, n *Node) { r.Number(n, "it", 0, 3.5) }, `it is "4"|a number from 0 to 3.5|`},
		{"1e999", func(r *Reader, n *Node) { r.Number(n, "it", -inf, inf) }, `it is "1e999"|a number|`},
		{"'4'", func(r *Reader, n *Node) { r.Number(n, "it", 0, 5) }, `it is "4"|a number from 0 to 5|`},
		{"4.0", func(r *Reader, n *Node) { r.Whole(n, "it", 0, 5) }, `it is "4.0"|a whole number from 0 to 5|`},
		{"99999999999999999999", func(r *Reader, n *Node) { r.Whole(n, "it", 0, 5) }, `it is "99999999999999999999"|a whole number from 0 to 5|`},
		{"90", func(r *Reader, n *Node) { r.Duration(n, "it") }, `it is "90"|a whole number with s, m, h, d or w, such as 30s or 7d|`},
		{"[9s]", func(r *Reader, n *Node) { r.Duration(n, "it") }, `it is a list|a whole number with s, m, h, d or w, such as 30s or 7d|`},
		{"{}", func(r *Reader, n *Node) { r.Localized(n, "it") }, "it is empty|text by language, such as {en: …, zh: …}|"},
		{"{e: x}", func(r *Reader, n *Node) { r.Localized(n, "it") }, `language "e"|a language tag such as en or zh-Hant|`},
		{"{en: 1}", func(r *Reader, n *Node) { r.Localized(n, "it") }, "it is a whole number|text|"},
		{`"a\tb"`, func(r *Reader, n *Node) { r.Within(n, 1, 3, "it", "wrong", "") }, "it, line 1 column 3: wrong||"},
	} {
		var r Reader
		x.read(&r, r.Parse("f", x.text))
		got := ""
		for _, p := range r.Problems {
			got += fmt.Sprintf("%s|%s|%s", p.Message, p.Expected, p.Nearest)
		}
		if got != x.want {
			t.Errorf("%s: got %s, want %s", x.text, got, x.want)
		}
	}
}

// A place inside a text is a place of the file where the file has the text as it is.
func TestWithin(t *testing.T) {
	for text, want := range map[string]string{
		"a: speed > x":               "f:1:10",
		"a: 'speed > x'":             "f:1:11",
		"{机油: \"speed > x\"}":        "f:1:13",
		"a: |\n   speed > x\n   y\n": "f:2:10",
	} {
		var r Reader
		n := r.Parse("f", text).Fields[0].Value
		p := r.Within(n, 1, 7, "a", "wrong", "")
		if got := fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	var r Reader
	n := r.Parse("f", "a: |\n   x\n   机油 > x\n").Fields[0].Value
	if p := r.Within(n, 2, 6, "a", "wrong", ""); p.Line != 3 || p.Column != 9 {
		t.Errorf("second line: %s", p)
	}
}

func TestFind(t *testing.T) {
	var r Reader
	root := r.Parse("f", "a:\n  b: {c: 1}\nd: 2\n")
	for path, want := range map[string]string{"a.b.c": "f:2:10", "a.b.x": "f:2:6", "d": "f:3:4", "x": "f:1:1"} {
		if got := root.Find(path).Place(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
	if root.HasAny([]string{"b", "c"}) || !root.HasAny([]string{"b", "d"}) {
		t.Error("HasAny")
	}
}
