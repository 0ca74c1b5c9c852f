// Package docs holds what the pages say to what the code does: generated tables, examples, names and links.
package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/rules"
)

func catalogue(t *testing.T) *ingest.Catalogue {
	t.Helper()
	c, err := ingest.LoadCatalogue("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSignalTable: the table of signals in events.md is the built-in catalogue.
func TestSignalTable(t *testing.T) {
	const begin, end = "<!-- signals: REWRITE=1 go test ./docs -->\n", "<!-- end of signals -->"
	page := read(t, "events.md")
	head, rest, ok := strings.Cut(page, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("events.md: no place for the table between %q and %q", begin, end)
	}
	want := head + begin + signalTable(catalogue(t)) + end + tail
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile("events.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if page != want {
		t.Fatal("the table of signals in docs/events.md is old: REWRITE=1 go test ./docs")
	}
}

func signalTable(c *ingest.Catalogue) string {
	var b strings.Builder
	b.WriteString("\n| signal | unit | range | holds | what it is |\n|---|---|---|---|---|\n")
	for i := range c.Len() {
		s := c.Signal(i)
		unit, span, hold := s.Unit, "", "for ever"
		switch s.Kind {
		case ingest.Bool:
			span = "true, false"
		case ingest.CodeSet:
			span = "list of names"
		default:
			span = fmt.Sprintf("%s to %s", number(s.Min), number(s.Max))
		}
		if s.Hold != ingest.HoldForever {
			hold = short(time.Duration(s.Hold) * time.Millisecond)
		}
		what := s.Description
		if !s.Stored {
			what += " Kept only when a rule reads it."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Name, unit, span, hold, what)
	}
	return b.String() + "\n"
}

// number writes a bound with thousands apart and a true minus.
func number(v float64) string {
	s := fmt.Sprintf("%.0f", max(v, -v))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		return "−" + s
	}
	return s
}

func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// fenced are the code blocks of a language in a page, with the line they begin at.
func fenced(t *testing.T, page, lang string) map[int]string {
	t.Helper()
	out := map[int]string{}
	at, inside := 0, false
	var block strings.Builder
	for i, line := range strings.Split(read(t, page), "\n") {
		switch {
		case !inside && line == "```"+lang:
			inside, at = true, i+2
			block.Reset()
		case inside && line == "```":
			inside = false
			out[at] = block.String()
		case inside:
			block.WriteString(line + "\n")
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s: no block of %s", page, lang)
	}
	return out
}

// TestEventExamples: every event shown in events.md is one.
func TestEventExamples(t *testing.T) {
	d := json.NewDecoder(catalogue(t))
	for at, block := range fenced(t, "events.md", "json") {
		for i, line := range strings.Split(strings.TrimSpace(block), "\n") {
			var ev ingest.Event
			if err := d.Decode([]byte(line), &ev); err != nil {
				t.Errorf("events.md:%d: %v", at+i, err)
			} else if ev.UnknownFields+ev.UnknownSignals+ev.OutOfRange > 0 {
				t.Errorf("events.md:%d: something in it is unknown or out of range", at+i)
			}
		}
	}
	for at, block := range fenced(t, "events.md", "yaml") {
		if _, err := ingest.LoadCatalogue("events.md", []byte(block)); err != nil {
			t.Errorf("events.md:%d: %v", at, err)
		}
	}
}

// TestReasons: every reason there is stands in the table of events.md.
func TestReasons(t *testing.T) {
	page := read(t, "events.md")
	for _, m := range regexp.MustCompile(`Reason\w+ = "(\w+)"`).FindAllStringSubmatch(read(t, "../ingest/error.go"), -1) {
		if !strings.Contains(page, "\n| `"+m[1]+"` |") {
			t.Errorf("events.md does not say what reason %q means", m[1])
		}
	}
}

// TestRuleExamples: what rules.md and the README show, the engine takes. Configurations are package deploytest's.
func TestRuleExamples(t *testing.T) {
	for _, page := range []string{"rules.md", "../README.md"} {
		for at, block := range fenced(t, page, "yaml") {
			if page != "rules.md" && !strings.HasPrefix(block, "rules:") {
				continue
			}
			_, err := rules.Load([]rules.File{{Name: page, Content: block}}, catalogue(t))
			if err != nil {
				t.Errorf("%s:%d:\n%v", page, at, err)
			}
		}
	}
}

// TestMetrics: every metric is explained in operations.md, and none that is not there.
func TestMetrics(t *testing.T) {
	name := regexp.MustCompile(`\bmilepost_[a-z]+_[a-z_]+\b`)
	files, err := filepath.Glob("../cmd/internal/app/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for _, f := range files {
		code = append(code, name.FindAllString(read(t, f), -1)...)
	}
	page := name.FindAllString(read(t, "operations.md"), -1)
	for _, m := range code {
		if !slices.Contains(page, m) {
			t.Errorf("operations.md does not explain %s", m)
		}
	}
	for _, m := range page {
		if !slices.Contains(code, m) {
			t.Errorf("operations.md explains %s, which is not measured", m)
		}
	}
}

// TestLinks: every relative link of every page leads to a file, and to a heading where it names one.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		for i, line := range strings.Split(read(t, path), "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if problem := broken(path, m[1]); problem != "" {
					t.Errorf("%s:%d: %s", path, i+1, problem)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// broken says what is wrong with a link on a page, "" when it leads somewhere.
func broken(page, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	target, heading, _ := strings.Cut(link, "#")
	file := page
	if target != "" {
		file = filepath.Join(filepath.Dir(page), target)
	}
	b, err := os.ReadFile(file)
	if heading == "" {
		if _, err := os.Stat(file); err != nil {
			return fmt.Sprintf("%s leads nowhere", link)
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("%s leads nowhere", link)
	}
	for line := range bytes.Lines(b) {
		if title, ok := bytes.CutPrefix(bytes.TrimLeft(line, "#"), []byte(" ")); ok && line[0] == '#' && anchor(string(title)) == heading {
			return ""
		}
	}
	return fmt.Sprintf("%s: no heading #%s", link, heading)
}

// anchor is what a heading's title is called in links.
func anchor(title string) string {
	title = strings.ToLower(strings.TrimSpace(title))
	title = regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(title, "")
	return strings.ReplaceAll(title, " ", "-")
}
