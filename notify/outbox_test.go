package notify_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/milepost-io/milepost/notify"
)

// S45: byte order of the row keys is order of creation within (endpoint, vehicle), and an endpoint is a range.
func TestEntryKeyOrder(t *testing.T) {
	var keys [][]byte
	for _, e := range []notify.Entry{
		{Endpoint: "app", VIN: "V1", Created: 255, N: 9, Party: "O2"},
		{Endpoint: "app", VIN: "V1", Created: 256, N: 1, Party: "O1"},
		{Endpoint: "app", VIN: "V1", Created: 256, N: 256, Party: "O1"},
		{Endpoint: "app", VIN: "V1", Created: start, N: 1, Party: "O1"},
		{Endpoint: "app", VIN: "V10", Created: 1, N: 1, Party: "O1"},
		{Endpoint: "app2", VIN: "V1", Created: 1, N: 1, Party: "O1"},
	} {
		keys = append(keys, e.Key())
		if e.Endpoint == "app" != bytes.HasPrefix(e.Key(), notify.OutboxPrefix("app")) {
			t.Errorf("key %q and the prefix of app disagree", e.Key())
		}
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Errorf("keys are not in order: %q", keys)
	}
}

// A row is read back as it was written, its body byte for byte; what is no row is refused.
func TestEntryRoundTrip(t *testing.T) {
	e := notify.Entry{Endpoint: "app", Audience: notify.Owner, ID: "e1", Type: "t", VIN: "V1", Party: "O1", Created: 1, Released: 2, N: 3, Body: []byte("{\"a\":\n\"<&>\"}\n")}
	got, err := notify.ParseEntry(e.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Body, e.Body) || !bytes.Equal(got.Key(), e.Key()) || got.ID != e.ID || got.Released != 2 || got.Audience != notify.Owner {
		t.Errorf("read back %+v, wrote %+v", got, e)
	}
	for _, bad := range []string{"", "{}", "{}\n", "[]\nx", `{"endpoint":"a","id":""}` + "\n", `{"endpoint":"a","id":"b","vin":"\u0000"}` + "\n"} {
		if _, err := notify.ParseEntry([]byte(bad)); err == nil {
			t.Errorf("ParseEntry(%q) is no error", bad)
		}
	}
}

// A row that parses says the same when it is written and read again.
func FuzzParseEntry(f *testing.F) {
	f.Add((&notify.Entry{Endpoint: "app", ID: "e1", VIN: "V1", Party: "O1", Created: 1, N: 3, Body: []byte("{}\n")}).Append(nil))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, row []byte) {
		e, err := notify.ParseEntry(row)
		if err != nil {
			return
		}
		again, err := notify.ParseEntry(e.Append(nil))
		if err != nil || !bytes.Equal(again.Body, e.Body) || !bytes.Equal(again.Key(), e.Key()) || again.ID != e.ID {
			t.Errorf("read %+v, then %+v, %v", e, again, err)
		}
	})
}
