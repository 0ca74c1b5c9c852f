package app

import (
	"testing"

	"github.com/milepost-io/milepost/state/log"
)

func TestStorySentences(t *testing.T) {
	for _, c := range []struct {
		lang   string
		stream log.Stream
		row    string
		want   string
	}{
		{"en", log.Events, `{"kind":"event","event":{"type":"milepost.reminder.soon","items":[{"id":"oil","title":{"en":"Engine oil","zh":"机油"},"rest_km":993.3,"rest_days":30}]}}`,
			"Service due soon: Engine oil (993 km or 30 days left)"},
		{"zh-CN", log.Events, `{"kind":"event","event":{"type":"milepost.reminder.overdue","items":[{"id":"oil","title":{"en":"Engine oil","zh":"机油"},"rest_km":-12517,"rest_days":30}]}}`,
			"保养已逾期: 机油 (12,517 公里 超出)"},
		{"en", log.Events, `{"kind":"event","event":{"type":"milepost.alert.resolved","rule":"hot","title":{"en":"Engine too hot"},"reason":"rule_changed"}}`,
			"Resolved: Engine too hot · the rule has changed"},
		{"en", log.Events, `{"kind":"event","event":{"type":"milepost.lead.updated","causes":[{"item":"oil","level":"overdue","title":{"en":"Engine oil"}},{"rule":"hot"}]}}`,
			"Lead updated: Engine oil (overdue), hot"},
		{"en", log.Events, `{"kind":"service","service":{"km":68145,"order":"RO-2","items":["oil","brakes"]}}`,
			"In the workshop: oil, brakes · 68,145 km · RO-2"},
		{"en", log.Events, `{"kind":"feedback","feedback":{"by":"advisor:Li","action":"no_answer"}}`, "Advisor Li: no answer"},
		{"en", log.Events, `{"kind":"suspect","signal":"odometer","value":9.25,"reason":"spike"}`, "Reading not believed yet, odometer 9.2: spike"},
		{"en", log.Notices, `{"kind":"message","to":"owner","state":"held","reason":"consent","title":"Service due"}`,
			"Owner · Service due · held back: the owner has not consented"},
		{"en", log.Notices, `{"kind":"delivery","to":"owner","state":"delivered","endpoint":"app","detail":"200 OK"}`, "app delivered: 200 OK"},
	} {
		e, ok := newStory(c.lang, nil).entry(c.stream, []byte(c.row))
		if !ok || e.Text != c.want {
			t.Errorf("%s %s\n got %q\nwant %q", c.lang, c.row, e.Text, c.want)
		}
	}
}

func TestStoryWordsAreWholeInBothLanguages(t *testing.T) {
	for key := range storyEnglish {
		if storyChinese[key] == "" {
			t.Errorf("%q is not told in Chinese", key)
		}
	}
	for key := range storyChinese {
		if storyEnglish[key] == "" {
			t.Errorf("%q is not told in English", key)
		}
	}
}
