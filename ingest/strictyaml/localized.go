package strictyaml

import (
	"fmt"
	"strings"
)

// Localized is a text in one language.
type Localized struct {
	Language, Text string
	// Node is the text with its place.
	Node *Node
}

// Localized returns a map of text by language, in the order of the file.
func (r *Reader) Localized(n *Node, what string) []Localized {
	if n.Kind != Map || len(n.Fields) == 0 {
		found := n.Kind.String()
		if n.Kind == Map {
			found = "empty"
		}
		r.At(n, what+" is "+found, "text by language, such as {en: …, zh: …}")
		return nil
	}
	var out []Localized
	for _, f := range n.Fields {
		if !validLanguage(f.Name) {
			r.At(f.Key, fmt.Sprintf("language %q", f.Name), "a language tag such as en or zh-Hant")
			continue
		}
		if s, ok := r.Text(f.Value, what); ok {
			out = append(out, Localized{Language: f.Name, Text: s, Node: f.Value})
		}
	}
	return out
}

// validLanguage accepts what looks like a BCP 47 tag.
func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) > 8 || len(part) < 1 || (i == 0 && len(part) < 2) {
			return false
		}
		for _, c := range part {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}
