package json

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/milepost-io/milepost/ingest"
)

// dump writes what a payload decodes to, one fact a line.
func dump(d *Decoder, payload []byte) string {
	var ev ingest.Event
	if err := d.Decode(payload, &ev); err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s key=%s", ev.Type, ev.Key)
	if ev.Party {
		b.WriteString(" party")
	}
	if ev.HasTime {
		fmt.Fprintf(&b, " time=%s", time.UnixMilli(ev.Time).UTC().Format(time.RFC3339Nano))
	}
	if ev.HasSeq {
		fmt.Fprintf(&b, " seq=%d", ev.Seq)
	}
	if ev.Boot != 0 {
		fmt.Fprintf(&b, " boot=%016x", ev.Boot)
	}
	b.WriteByte('\n')
	for _, s := range ev.Samples {
		fmt.Fprintf(&b, "%s = %v\n", d.cat.Signal(s.Signal).Name, s.V)
	}
	for _, s := range ev.Sets {
		fmt.Fprintf(&b, "%s = %q\n", d.cat.Signal(s.Signal).Name, s.Codes)
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"unknown signals", ev.UnknownSignals}, {"unknown fields", ev.UnknownFields}, {"nulls", ev.Nulls}, {"out of range", ev.OutOfRange}} {
		if c.n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", c.name, c.n)
		}
	}
	switch {
	case ev.Vehicle != nil:
		dumpJSON(&b, ev.Vehicle)
	case ev.PartyRecord != nil:
		dumpJSON(&b, ev.PartyRecord)
	case ev.Service != nil:
		dumpJSON(&b, ev.Service)
	case ev.Feedback != nil:
		dumpJSON(&b, ev.Feedback)
	}
	return b.String()
}

func dumpJSON(b *strings.Builder, v any) {
	text, err := json.Marshal(v, jsontext.SpaceAfterComma(true), jsontext.SpaceAfterColon(true), json.OmitZeroStructFields(true))
	if err != nil {
		fmt.Fprintf(b, "not encodable: %v\n", err)
		return
	}
	fmt.Fprintf(b, "%s\n", text)
}
