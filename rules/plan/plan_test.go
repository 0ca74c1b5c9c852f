package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestResolveReports(t *testing.T) {
	item := func(change func(*Item)) Plan {
		it := Item{ID: "oil", Every: every(10000, 12, 0)}
		change(&it)
		return Plan{ID: "p", Items: []Item{it}}
	}
	for _, tc := range []struct {
		name string
		plan Plan
		want string // item field
	}{
		{"no id", Plan{Items: []Item{{ID: "oil", Every: every(1, 0, 0)}}}, "-1 id"},
		{"no items", Plan{ID: "p"}, "-1 items"},
		{"too many items", Plan{ID: "p", Items: manyItems(MaxItems + 1)}, "-1 items"},
		{"an id twice", Plan{ID: "p", Items: []Item{{ID: "a", Every: every(1, 0, 0)}, {ID: "a", Every: every(1, 0, 0)}}}, "1 id"},
		{"an anchor of a later version", Plan{ID: "p", Anchor: 7, Items: manyItems(1)}, "-1 anchor"},
		{"a negative threshold", Plan{ID: "p", Soon: Threshold{KM: -1, HasKM: true}, Items: manyItems(1)}, "-1 remind.soon.km"},
		{"too many days", Plan{ID: "p", Overdue: Threshold{Days: maxDays + 1, HasDays: true}, Items: manyItems(1)}, "-1 remind.overdue.days"},
		{"negative hours", Plan{ID: "p", Early: Threshold{Hours: -1, HasHours: true}, Items: manyItems(1)}, "-1 early.hours"},
		{"no item id", item(func(it *Item) { it.ID = "" }), "0 id"},
		{"no interval", item(func(it *Item) { it.Every = Interval{} }), "0 every"},
		{"negative km", item(func(it *Item) { it.Every.KM = -5 }), "0 every.km"},
		{"less than a km", item(func(it *Item) { it.First.KM = 999 }), "0 first.km"},
		{"too many months", item(func(it *Item) { it.Every.Months = 1201 }), "0 every.months"},
		{"negative months", item(func(it *Item) { it.First.Months = -1 }), "0 first.months"},
		{"less than an hour", item(func(it *Item) { it.Every.Hours = 1 }), "0 every.hours"},
		{"too many hours", item(func(it *Item) { it.Every.Hours = maxHours + 1 }), "0 every.hours"},
		{"an item's anchor", item(func(it *Item) { it.Anchor = 9 }), "0 anchor"},
		{"negative minutes", item(func(it *Item) { it.Minutes = -1 }), "0 labour_minutes"},
		{"an empty code", item(func(it *Item) { it.Codes = []string{"A", ""} }), "0 codes[1]"},
	} {
		problems := tc.plan.Resolve()
		if len(problems) != 1 {
			t.Errorf("%s: %d problems %v, want one", tc.name, len(problems), problems)
			continue
		}
		if got := fmt.Sprint(problems[0].Item, " ", problems[0].Field); got != tc.want || problems[0].Msg == "" {
			t.Errorf("%s: got %s: %s, want %s", tc.name, got, problems[0].Msg, tc.want)
		}
	}
}

func manyItems(n int) []Item {
	out := make([]Item, n)
	for i := range out {
		out[i] = Item{ID: fmt.Sprintf("item-%d", i), Every: every(10000, 12, 0)}
	}
	return out
}

func TestResolveDefaults(t *testing.T) {
	p := Plan{ID: "p", Notify: [levels]Audience{Due: {Set: true, Dealer: true}}, Items: []Item{
		{ID: "a", First: every(5000, 1, 0), Every: every(10005, 12, 500)},
		{ID: "b", First: every(5000, 0, 0), Every: every(0, 3, 0), Anchor: FixedPoints},
	}}
	if problems := p.Resolve(); problems != nil {
		t.Fatal(problems)
	}
	all := Audience{Set: true, Owner: true, Dealer: true}
	if want := [levels]Audience{Soon: all, Due: {Set: true, Dealer: true}, Overdue: all}; p.Notify != want {
		t.Errorf("S42: got %+v, want %+v", p.Notify, want)
	}
	a, b := p.Items[0].rule, p.Items[1].rule
	for _, tc := range []struct {
		name      string
		got, want [dims]int64
	}{
		{"S30 soon of every", a.soon[stageEvery], [dims]int64{1_000_500, 30, 50_000}},
		{"S30 overdue of every", a.overdue[stageEvery], [dims]int64{500_250, 14, 25_000}},
		{"S30 soon of the first interval", a.soon[stageFirst], [dims]int64{1_000_500, 15, 50_000}},
		{"S30 overdue of the first interval", a.overdue[stageFirst], [dims]int64{500_250, 8, 25_000}},
		{"S29 early is soon", a.early[stageEvery], a.soon[stageEvery]},
		{"S28 first where it lacks one", b.first, [dims]int64{5_000_000, 3, 0}},
		{"S30 of first where every lacks it", b.soon[stageEvery], [dims]int64{500_000, 30, 0}},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	if a.anchor != LastService || b.anchor != FixedPoints {
		t.Errorf("anchors: got %d and %d", a.anchor, b.anchor)
	}
	if p.Find(KeyOf("b")) != 1 || p.Find(KeyOf("c")) != -1 || (*Plan)(nil).Find(1) != -1 {
		t.Error("Find")
	}
}

func TestItemsFor(t *testing.T) {
	p := Plan{ID: "p", Items: []Item{
		{ID: "oil", Every: every(1, 0, 0), Codes: []string{"OIL-*", "O?"}},
		{ID: "filter", Every: every(1, 0, 0), Codes: []string{"OIL-05", "F-*"}},
	}}
	for code, want := range map[string][]int{"OIL-05": {0, 1}, "OIL-": {0}, "OX": {0}, "F-1": {1}, "oil-05": nil, "": nil} {
		if got := p.ItemsFor(code, nil); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", code, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.RuneFrom([]rune("ab.*?*é[")), 0, 8, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.RuneFrom([]rune("ab.é[*")), 0, 10, -1).Draw(t, "s")
		quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		if want := regexp.MustCompile(`(?s)^` + quoted + `$`).MatchString(s); Glob(pattern, s) != want {
			t.Fatalf("Glob(%q, %q) is not %v", pattern, s, want)
		}
	})
	// The work is bounded: this would not end with naive backtracking.
	if Glob(strings.Repeat("a*", 200)+"b", strings.Repeat("a", 5000)) {
		t.Error("matched")
	}
}

// The points counted are the points there are (S29), also around clamped months.
func TestCountTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Dim(rapid.IntRange(0, 2).Draw(t, "dim"))
		r := itemRule{}
		r.first[d], r.every[d] = rapid.Int64Range(1, 40).Draw(t, "first"), rapid.Int64Range(1, 14).Draw(t, "every")
		v := sight{rule: &r, hasOrigin: [dims]bool{true, true, true}}
		value := rapid.Int64Range(-10, 500).Draw(t, "value")
		if d == Date {
			v.origin[d] = rapid.Int64Range(18000, 22000).Draw(t, "origin")
			value = v.origin[d] + value*10
		}
		n := int64(0)
		for {
			if p, ok := v.point(d, n+1); !ok || p > value {
				break
			}
			n++
		}
		if got := v.countTo(d, value); got != n {
			t.Fatalf("first %d every %d origin %d: got %d points up to %d, want %d", r.first[d], r.every[d], v.origin[d], got, value, n)
		}
	})
}
