package rules

import (
	"encoding/json"
	"strings"
	"testing"
)

// The examples of RFC 7396, appendix A, where target and patch are objects.
func TestMerge(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":12345678901234567890}`, `{"m":1.50}`, `{"m":1.50,"n":12345678901234567890}`},
	} {
		target, err := parseObject([]byte(c[0]))
		if err != nil {
			t.Fatal(err)
		}
		patch, err := parseObject([]byte(c[1]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(merge(target, patch))
		if err != nil || string(got) != c[2] {
			t.Errorf("%s patched by %s is %s (%v), expected %s", c[0], c[1], got, err, c[2])
		}
	}
}

// Ids are the same in every build: a change here sends everything again under another id (E6).
func TestIDsAreFixed(t *testing.T) {
	for i, c := range [][2]string{
		{alertID([]byte("V1"), "hot", 1772352000000), "a_jziqwusvgvr4a2fuewn2jiw5"},
		{transitionID([]byte("V1"), "hot", 1772352000000, "firing"), "e_l3upo2oe3uura67yusym5h55"},
		{transitionID([]byte("V1"), "hot", 1772352000000, "resolved"), "e_7ng7z6qhe4g4ihwzjmhpu72l"},
		{leadID([]byte("V1"), 1), "l_kuxyzxxst5dxgfxm5z5yi7gw"},
		{leadEventID([]byte("V1"), 1, 1), "e_x5k5wafj3irkk7i3cciunide"},
	} {
		if c[0] != c[1] {
			t.Errorf("id %d is %s, expected %s", i, c[0], c[1])
		}
	}
	// Fields are length-prefixed: moving a letter from one to the next is another id.
	if alertID([]byte("V1a"), "b", 1) == alertID([]byte("V1"), "ab", 1) {
		t.Error("two alerts share an id")
	}
}

func TestTemplate(t *testing.T) {
	tpl, names, err := parseTemplate("at {{.coolant_temp}} °C, {{ .vehicle.plate }}.")
	if err != nil || len(names) != 2 || names[0] != (templateName{"coolant_temp", 3}) || names[1].name != "vehicle.plate" {
		t.Fatal(names, err)
	}
	got := tpl.render(func(dst []byte, name string) []byte { return append(dst, strings.ToUpper(name)...) })
	if got != "at COOLANT_TEMP °C, VEHICLE.PLATE." {
		t.Errorf("rendered %q", got)
	}
	for _, bad := range []string{"{{", "{{.}}", "{{x}}", "{{.a b}}", "{{if .a}}", "{{.a | print}}"} {
		if _, _, err := parseTemplate(bad); err == nil {
			t.Errorf("template %q is taken", bad)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for want, v := range map[string]float64{"119": 119.04, "11.8": 11.75, "0": -0.01, "-3.5": -3.5, "100000": 100000} {
		if got := string(appendNumber(nil, v)); got != want {
			t.Errorf("%v is written %s, expected %s", v, got, want)
		}
	}
}
