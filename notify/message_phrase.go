package notify

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-io/milepost/rules"
)

// phrases are the built-in texts of one language. %s marks are filled by fill, in order.
type phrases struct {
	soon, due, overdue, done, cancelled, resolved string // titles of messages
	leadCreated, leadUpdated, leadClosed          string // titles of leads
	km, days, day, hours                          string // a rest
	left, leftFirst, over, dueNow                 string // how it stands with an item
	item, read, restored                          string // sentences
	or, and, stop, gap                            string // joints
}

func phrasesOf(lang string) *phrases {
	if baseOf(lang) == "zh" {
		return &phrases{
			soon: "保养即将到期", due: "保养已到期", overdue: "保养已逾期", done: "保养已完成", cancelled: "保养提醒已撤回", resolved: "已解除:%s",
			leadCreated: "新线索", leadUpdated: "线索更新", leadClosed: "线索关闭",
			km: "%s 公里", days: "%s 天", day: "%s 天", hours: "%s 小时",
			left: "还剩 %s", leftFirst: "还剩 %s,以先到为准", over: "已超过 %s", dueNow: "现在到期",
			item: "%s:%s。", read: "里程 %s 公里,%s 读取。", restored: "%s 已恢复正常。",
			or: "或 ", and: "、", stop: "。",
		}
	}
	return &phrases{
		soon: "Service due soon", due: "Service due", overdue: "Service overdue", done: "Service done", cancelled: "Service reminder withdrawn", resolved: "Resolved: %s",
		leadCreated: "New lead", leadUpdated: "Lead updated", leadClosed: "Lead closed",
		km: "%s km", days: "%s days", day: "%s day", hours: "%s h",
		left: "%s left", leftFirst: "%s left, whichever first", over: "%s over", dueNow: "due now",
		item: "%s: %s.", read: "Odometer %s km, read %s.", restored: "%s is back to normal.",
		or: " or ", and: ", ", stop: ".", gap: " ",
	}
}

// baseOf is the language of a tag: "zh" of "zh-Hans-CN".
func baseOf(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}

// pick takes a text by language: the tag itself, its language, English, Chinese, then the first in
// alphabetical order.
func pick(by map[string]string, lang string) string {
	for _, l := range [...]string{lang, baseOf(lang), "en", "zh"} {
		if s := by[l]; s != "" {
			return s
		}
	}
	least := ""
	for l := range by { // the smallest key, whatever the order
		if least == "" || l < least {
			least = l
		}
	}
	return by[least]
}

// fill replaces the %s marks of a phrase in order.
func fill(phrase string, args ...string) string {
	for _, a := range args {
		phrase = strings.Replace(phrase, "%s", a, 1)
	}
	return phrase
}

// textOf is the title and the body of an event in the owner's language: what the rule says, or what is
// built in.
func (t *turn) textOf(e *rules.Event) (title, body string) {
	lang := t.language()
	p := phrasesOf(lang)
	name := firstOf(pick(e.Title, lang), e.Rule, e.Type)
	switch e.Type {
	case "milepost.reminder.soon":
		return p.soon, t.reminderBody(e, p, lang)
	case "milepost.reminder.due":
		return p.due, t.reminderBody(e, p, lang)
	case "milepost.reminder.overdue":
		return p.overdue, t.reminderBody(e, p, lang)
	case "milepost.reminder.done":
		return p.done, titles(e.Items, lang, p) + p.stop
	case "milepost.reminder.cancelled":
		return p.cancelled, titles(e.Items, lang, p) + p.stop
	case "milepost.alert.resolved":
		return fill(p.resolved, name), fill(p.restored, name)
	case "milepost.alert.firing":
		return name, firstOf(pick(e.Text, lang), name+p.stop)
	case "milepost.lead.created":
		return p.leadCreated, pick(e.DealerText, lang)
	case "milepost.lead.updated":
		return p.leadUpdated, pick(e.DealerText, lang)
	case "milepost.lead.closed":
		return p.leadClosed, pick(e.DealerText, lang)
	}
	return name, pick(e.Text, lang)
}

// causesOf names what a lead is open for.
func causesOf(e *rules.Event, lang string) string {
	var out []string
	for i := range e.Causes {
		c := &e.Causes[i]
		out = append(out, firstOf(pick(c.Title, lang), c.Item, c.Rule))
	}
	return strings.Join(out, phrasesOf(lang).and)
}

// reminderBody says how it stands with each item, and how old the reading is that says so.
func (t *turn) reminderBody(e *rules.Event, p *phrases, lang string) string {
	var out []string
	items := t.listed(e, true)
	for i := range items {
		r := &items[i]
		out = append(out, fill(p.item, firstOf(pick(r.Title, lang), r.ID), whyItem(r, lang)))
	}
	if f := &t.v.Facts; f.OdometerKM != nil && f.OdometerAt != 0 {
		out = append(out, fill(p.read, number(*f.OdometerKM), t.s.zoneOf(f).clock(f.OdometerAt)))
	}
	return strings.Join(out, p.gap)
}

func titles(items []rules.ItemRef, lang string, p *phrases) string {
	var out []string
	for i := range items {
		out = append(out, firstOf(pick(items[i].Title, lang), items[i].ID))
	}
	return strings.Join(out, p.and)
}

// whyItem says how much is left of an item, or how far it is over: "690 km or 28 days left, whichever
// first". Of a due or overdue item it names the dimensions that are over.
func whyItem(r *rules.ItemRef, lang string) string {
	p := phrasesOf(lang)
	if r.Level == "soon" {
		parts := rests(r, p, false)
		switch len(parts) {
		case 0:
			return p.soon
		case 1:
			return fill(p.left, parts[0])
		}
		return fill(p.leftFirst, strings.Join(parts, p.or))
	}
	if parts := rests(r, p, true); len(parts) > 0 {
		return fill(p.over, strings.Join(parts, p.or))
	}
	return p.dueNow
}

// rests lists what is left in the dimensions that are not over, or how much in those that are.
func rests(r *rules.ItemRef, p *phrases, over bool) []string {
	var out []string
	add := func(phrase string, rest float64) {
		n := math.Ceil(rest) // "1 km left" until there is none
		if over {
			n = math.Floor(-rest)
		}
		if n > 0 {
			out = append(out, fill(phrase, number(n)))
		}
	}
	if r.RestKM != nil {
		add(p.km, *r.RestKM)
	}
	if r.RestDays != nil {
		phrase := p.days
		if d := *r.RestDays; d == 1 || d == -1 {
			phrase = p.day
		}
		add(phrase, float64(*r.RestDays))
	}
	if r.RestHours != nil {
		add(p.hours, *r.RestHours)
	}
	return out
}

// number writes a whole number with groups of three.
func number(v float64) string {
	s := strconv.FormatFloat(math.Floor(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func levelRank(level string) int {
	return slices.Index([]string{"ok", "soon", "due", "overdue"}, level)
}

// zone is where a vehicle's times are told.
type zone struct{ loc *time.Location }

// zones remembers loaded zones: what is in it never changes what a step does.
type zones map[string]*zone

// load returns a zone by IANA name, UTC where the name is not known.
func (zs zones) load(name string) *zone {
	if z := zs[name]; z != nil {
		return z
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC
	}
	z := &zone{loc: loc}
	zs[name] = z
	return z
}

// clock is a time as people in the zone write it, without words: it reads the same in every language.
func (z *zone) clock(ms int64) string { return time.UnixMilli(ms).In(z.loc).Format("2006-01-02 15:04") }
