package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// dims are the dimensions of a maintenance item, in thousandths of their unit for km and hours.
type dims struct{ KM, Months, Days, Hours *float64 }

func (d dims) String() string {
	s := ""
	for _, p := range []*float64{d.KM, d.Months, d.Days, d.Hours} {
		if p == nil {
			s += "-|"
		} else {
			s += strconv.FormatFloat(*p, 'g', -1, 64) + "|"
		}
	}
	return s
}

type notifyText struct{ Owner, Dealer string }

type ruleText struct {
	ID        string
	When      string
	For       string
	Until     string
	Severity  string
	Cooldown  string
	AppliesTo string `yaml:"applies_to"`
	MaxAge    string `yaml:"max_age"`
	Notify    *notifyText
	Shadow    bool
}

type itemText struct {
	ID           string
	Codes        []string
	First, Every dims
}

type planText struct {
	ID        string
	AppliesTo string `yaml:"applies_to"`
	Anchor    string
	Remind    struct{ Soon, Overdue dims }
	Notify    map[string]notifyText
	Early     dims
	History   string
	Items     []itemText
}

type fileText struct {
	Rules  []ruleText
	Plans  []planText
	Policy struct {
		Group          struct{ Wait string }
		ConsentDefault string `yaml:"consent_default"`
		DayStarts      string `yaml:"day_starts"`
	}
}

// rule is a condition rule with its defaults filled in.
type rule struct {
	id                              string
	when, until, appliesTo          *condition // until, appliesTo: nil when absent
	forMS, cooldownMS, maxAgeMS     int64
	critical, toOwner, lead, shadow bool
}

// meaning is what a rule's memory depends on (S48).
func (r *rule) meaning() string {
	until := ""
	if r.until != nil {
		until = r.until.text
	}
	return fmt.Sprintf("%s for %d until %s", r.when.text, r.forMS, until)
}

type plan struct {
	planText
	appliesTo *condition
}

// ruleSet is everything of a rules folder.
type ruleSet struct {
	rules      []*rule
	plans      []*plan
	wait       int64
	consent    bool // what silence means (S45)
	dayStarts  int  // minutes after local midnight
	catalogue  map[string]signal
	hasHourly  bool
	configZone string
}

type signal struct {
	Name      string
	Kind      string
	Range     []float64
	Sentinels []float64
	Hold      string
	holdMS    int64 // 0: for ever
}

func parseCatalogue(text []byte) (map[string]signal, error) {
	var file struct{ Signals []signal }
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	all := map[string]signal{}
	for _, s := range file.Signals {
		if s.Hold != "ever" {
			s.holdMS = duration(s.Hold, 0)
		}
		all[s.Name] = s
	}
	return all, nil
}

// duration reads an integer with s m h d w, d being 24 h (S8).
func duration(text string, absent int64) int64 {
	if text == "" {
		return absent
	}
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	if err != nil {
		if text == "0" {
			return 0
		}
		panic("oracle: duration " + text)
	}
	return n * map[byte]int64{'s': second, 'm': minute, 'h': hour, 'd': day, 'w': 7 * day}[text[len(text)-1]]
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

func parseRules(files []File, catalogue map[string]signal, zone string) (*ruleSet, error) {
	set := &ruleSet{wait: 10 * minute, consent: true, dayStarts: 9 * 60, catalogue: catalogue, configZone: zone}
	for _, f := range files {
		var text fileText
		if err := yaml.Unmarshal([]byte(f.Content), &text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, r := range text.Rules {
			made, err := makeRule(r)
			if err != nil {
				return nil, fmt.Errorf("%s: rule %s: %w", f.Name, r.ID, err)
			}
			set.rules = append(set.rules, made)
			set.hasHourly = set.hasHourly || made.hourly()
		}
		for _, p := range text.Plans {
			made := &plan{planText: p}
			var err error
			if made.appliesTo, err = parseCondition(p.AppliesTo); err != nil {
				return nil, fmt.Errorf("%s: plan %s: %w", f.Name, p.ID, err)
			}
			set.plans = append(set.plans, made)
		}
		set.wait = duration(text.Policy.Group.Wait, set.wait)
		if text.Policy.ConsentDefault != "" {
			set.consent = text.Policy.ConsentDefault == "granted"
		}
		if at := text.Policy.DayStarts; at != "" {
			h, _ := strconv.Atoi(at[:2])
			m, _ := strconv.Atoi(at[3:])
			set.dayStarts = 60*h + m
		}
	}
	return set, nil
}

// makeRule fills in the defaults of S13, S15 and S16.
func makeRule(t ruleText) (*rule, error) {
	r := &rule{id: t.ID, shadow: t.Shadow, forMS: duration(t.For, 0), cooldownMS: duration(t.Cooldown, 0), maxAgeMS: duration(t.MaxAge, hour)}
	var err error
	if t.When == "" {
		return nil, fmt.Errorf("no when")
	}
	for _, c := range []struct {
		text string
		to   **condition
	}{{t.When, &r.when}, {t.Until, &r.until}, {t.AppliesTo, &r.appliesTo}} {
		if *c.to, err = parseCondition(c.text); err != nil {
			return nil, err
		}
	}
	switch t.Severity {
	case "info":
	case "", "advisory":
		r.lead = true
	case "warning", "critical":
		r.lead, r.toOwner = true, true
	default:
		return nil, fmt.Errorf("severity %q", t.Severity)
	}
	r.critical = t.Severity == "critical"
	if t.Notify != nil {
		r.toOwner, r.lead = t.Notify.Owner == "now", t.Notify.Dealer == "lead"
	}
	return r, nil
}

// parts are the conditions that are present.
func (r *rule) parts() []*condition {
	var out []*condition
	for _, c := range []*condition{r.when, r.until, r.appliesTo} {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}

// hourly: rules with age or days_since are evaluated at every full hour too (S11).
func (r *rule) hourly() bool {
	for _, c := range r.parts() {
		if c.hourly {
			return true
		}
	}
	return false
}

// tells is whom a level tells (S42): a level that the plan's notify lacks takes the default.
func (p *plan) tells(level int) (owner, lead bool) {
	n, given := p.Notify[strings.ToLower(levelNames[level])]
	if !given {
		return true, true
	}
	return n.Owner == "now", n.Dealer == "lead"
}
