package strictyaml

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// TestParse runs testdata/parse: the text of a file in, its tree and what is wrong with it out. "parse
// quoted" reads the input as Go strings, a line each.
func TestParse(t *testing.T) {
	datadriven.RunTest(t, "testdata/parse", func(t *testing.T, d *datadriven.TestData) string {
		text := d.Input
		if d.HasArg("quoted") {
			text = unquote(t, d.Input)
		}
		var r Reader
		var b strings.Builder
		if root := r.Parse("f", text); root != nil {
			dump(&b, root, 0)
		}
		if err := r.Err(); err != nil {
			b.WriteString(err.Error() + "\n")
		}
		if b.Len() == 0 {
			return "nothing\n"
		}
		return b.String()
	})
}

func unquote(t *testing.T, input string) string {
	var b strings.Builder
	for line := range strings.Lines(input) {
		s, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		b.WriteString(s)
	}
	return b.String()
}

// dump writes a tree, a value a line: place, kind, text and where the file holds it as it is.
func dump(b *strings.Builder, n *Node, depth int) {
	fmt.Fprintf(b, "%s%d:%d %s", strings.Repeat("  ", depth), n.line, n.col, n.Kind)
	switch n.Kind {
	case List, Map, Null:
	default:
		fmt.Fprintf(b, " %q", n.Text)
	}
	if line, col, ok := n.within(1, 1); ok {
		fmt.Fprintf(b, " at %d:%d", line, col)
	}
	b.WriteByte('\n')
	for _, item := range n.Items {
		dump(b, item, depth+1)
	}
	for _, f := range n.Fields {
		fmt.Fprintf(b, "%s%d:%d %s\n", strings.Repeat("  ", depth+1), f.Key.line, f.Key.col, f.Name)
		dump(b, f.Value, depth+2)
	}
}

// Each of these would cost the parser its stack or minutes.
func TestHostileFiles(t *testing.T) {
	var wide strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&wide, "k%d: 1\n", i)
	}
	steps := ""
	for i := range 1000 {
		steps += strings.Repeat(" ", i) + "a:\n"
	}
	for name, x := range map[string]struct{ text, want string }{
		"brackets":  {strings.Repeat("[", 100_000), "nested too deep"},
		"braces":    {strings.Repeat("{a: ", 40_000), "nested too deep"},
		"entries":   {strings.Repeat("- ", 100_000), "nested too deep"},
		"steps":     {steps, "nested too deep"},
		"mixed":     {strings.Repeat("- [{a: \n", 20), "nested too deep"},
		"questions": {strings.Repeat("? ", 100_000), "keys marked with ?"},
		"anchors":   {strings.Repeat("&a ", 60_000), "anchors are not allowed"},
		"tags":      {strings.Repeat("!a ", 60_000), "tags are not allowed"},
		"wide map":  {wide.String(), "too many keys in a map"},
		"wide flow": {"{" + strings.Repeat("a: 1, ", 50_000) + "}", "too many keys in a map"},
		"colons":    {strings.Repeat("a: ", 60_000), "too many keys in a map"},
		"size":      {strings.Repeat("#", MaxSize+1), "the file has 1048577 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reader
			start := time.Now()
			if r.Parse("f", x.text) != nil {
				t.Error("the file is taken")
			}
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("error %.300v, want %s", err, x.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What is at a bound is taken.
func TestBounds(t *testing.T) {
	deep := ""
	for i := range maxDepth {
		deep += strings.Repeat("  ", i) + "a:\n"
	}
	deep += strings.Repeat("  ", maxDepth) + "x"
	var wide strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&wide, "k%d: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\n", i)
	}
	for name, text := range map[string]string{
		"depth of a map": deep, "depth of a list": strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"dashes": strings.Repeat("- ", maxDepth) + "x", "keys": wide.String(),
	} {
		var r Reader
		if r.Parse("f", text) == nil || r.Err() != nil {
			t.Errorf("%s: %.300v", name, r.Err())
		}
	}
	for name, text := range map[string]string{
		"depth of a list": strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2), "dashes": strings.Repeat("- ", maxDepth+1) + "x",
	} {
		var r Reader
		if r.Parse("f", text); r.Err() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzParse: whatever a file holds, the reader answers, within its bounds and with places that are in the
// file.
func FuzzParse(f *testing.F) {
	cases, err := os.ReadFile("testdata/parse")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range strings.Split(string(cases), "\n\n") {
		_, input, _ := strings.Cut(c, "\n")
		input, _, _ = strings.Cut(input, "----")
		f.Add(input)
	}
	f.Add("\ufeffa: 1\r\nb: [x, 'y', \"z\\n\"]\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		var r Reader
		root := r.Parse("f", text)
		if root != nil {
			checkTree(t, root, 0)
		}
		for _, p := range r.Problems {
			checkPlace(t, newFile("f", text), p.Line, p.Column)
			if p.File != "f" || p.Message == "" || strings.ContainsAny(p.Text, "\n\x1b") || !utf8.ValidString(p.String()) {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

func checkTree(t *testing.T, n *Node, depth int) {
	if depth > maxDepth {
		t.Fatalf("a value %d levels deep", depth)
	}
	checkPlace(t, n.file, n.line, 1)
	if line, col, ok := n.within(1, 1); ok {
		checkPlace(t, n.file, line, col)
		first, _, _ := strings.Cut(n.Text, "\n")
		if rest := string([]rune(n.file.lines[line-1])[col-1:]); !strings.HasPrefix(rest, first) {
			t.Errorf("text %q said to stand at %d:%d, where %q stands", n.Text, line, col, rest)
		}
	}
	for _, item := range n.Items {
		checkTree(t, item, depth+1)
	}
	seen := map[string]bool{}
	for _, f := range n.Fields {
		if seen[f.Name] {
			t.Errorf("key %q stands twice", f.Name)
		}
		seen[f.Name] = true
		checkPlace(t, n.file, f.Key.line, 1)
		checkTree(t, f.Value, depth+1)
	}
}

func checkPlace(t *testing.T, f *file, line, col int) {
	if line == 0 {
		return
	}
	if line < 0 || line > len(f.lines) || col < 1 || col > utf8.RuneCountInString(f.lines[line-1])+1 {
		t.Errorf("place %d:%d is not in %q", line, col, f.text)
	}
}
