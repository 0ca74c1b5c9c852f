package fleet

import (
	"fmt"
	"strconv"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// object writes a JSON object member by member. Texts come from this package and need no escapes.
type object struct{ b []byte }

func newObject(size int) *object { return &object{append(make([]byte, 0, size), '{')} }

func (o *object) key(name string) {
	if last := o.b[len(o.b)-1]; last != '{' && last != '[' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) text(name, v string) {
	o.key(name)
	o.b = append(append(append(o.b, '"'), v...), '"')
}

// number writes v with at most that many decimals.
func (o *object) number(name string, v float64, decimals int) {
	o.key(name)
	o.b = strconv.AppendFloat(o.b, v, 'f', decimals, 64)
}

func (o *object) integer(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *object) bool(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}

func (o *object) list(name string, vs []string) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range vs {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(append(append(o.b, '"'), v...), '"')
	}
	o.b = append(o.b, ']')
}

// open begins an object within; close ends the innermost.
func (o *object) open(name string) {
	o.key(name)
	o.b = append(o.b, '{')
}

func (o *object) close() { o.b = append(o.b, '}') }

// bytes ends the object.
func (o *object) bytes() []byte {
	o.close()
	return o.b
}

func (o *object) time(name string, ms int64) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = time.UnixMilli(ms).UTC().AppendFormat(o.b, "2006-01-02T15:04:05.000Z")
	o.b = append(o.b, '"')
}

// date is the local date of a time.
func date(ms, offset int64) string { return time.UnixMilli(ms + offset).UTC().Format(time.DateOnly) }

func vehicleEvent(at int64, t ingest.Type, vin, topic string, o *object) Event {
	return Event{At: time.UnixMilli(at).UTC(), Topic: "vehicles/" + vin + "/" + topic, Key: vin, Type: t, Payload: o.bytes()}
}

func partyEvent(at int64, id string, o *object) Event {
	return Event{At: time.UnixMilli(at).UTC(), Topic: "parties/" + id, Key: id, Party: true, Type: ingest.Party, Payload: o.bytes()}
}

func dealerEvent(at int64, r *region, id string, n int) Event {
	o := newObject(256)
	o.text("type", "party")
	o.text("id", id)
	o.text("role", "dealer")
	o.text("name", fmt.Sprintf("Milepost %s %d", r.city, n+1))
	o.text("language", r.language)
	o.text("timezone", r.zone)
	o.open("hours")
	o.text("mon-sat", "08:30-18:00")
	o.close()
	o.text("manager", id+"-A1")
	o.list("advisors", []string{id + "-A2", id + "-A3"})
	return partyEvent(at, id, o)
}

func companyEvent(at int64, r *region, n int) Event {
	id, name := fmt.Sprintf("C%05d", n), "%s车队%d"
	if r.language == "en" {
		name = "%s Fleet %d"
	}
	o := newObject(256)
	o.text("type", "party")
	o.text("id", id)
	o.text("role", "owner")
	o.text("name", fmt.Sprintf(name, r.city, n+1))
	o.text("language", r.language)
	o.text("timezone", r.zone)
	o.open("consent")
	o.bool("service", true)
	o.bool("marketing", false)
	o.close()
	o.open("channels")
	o.text("email", fmt.Sprintf("fleet%d@example.com", n+1))
	o.close()
	return partyEvent(at, id, o)
}

func ownerEvent(at int64, id, name string, r *region, service bool, n int) Event {
	o := newObject(256)
	o.text("type", "party")
	o.text("id", id)
	o.text("role", "owner")
	o.text("name", name)
	o.text("language", r.language)
	o.text("timezone", r.zone)
	o.open("consent")
	o.bool("service", service)
	o.bool("marketing", n%3 == 0)
	o.close()
	o.open("channels")
	o.text("app", fmt.Sprintf("u-%06d", n))
	if n%4 != 0 {
		o.text("sms", fmt.Sprintf("+100055%06d", n%1_000_000))
	}
	o.close()
	return partyEvent(at, id, o)
}
