package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/notify"
)

// still is an engine in which one car has spoken.
type still struct{}

func (still) Overview(context.Context) (Overview, error) {
	return Overview{Source: "/milepost/test", Counters: Counters{Received: 3, Applied: 2, Late: 1}}, nil
}

func (still) Recent(context.Context, int) ([]VehicleRow, error) {
	return []VehicleRow{{VIN: "V1", State: "soon", Seen: 1}}, nil
}

func serve(t *testing.T) (*httptest.Server, *notify.ReadModel) {
	t.Helper()
	m, done := notify.NewReadModel(), make(chan struct{})
	srv := httptest.NewServer(Handler(still{}, m, done))
	t.Cleanup(func() { close(done); srv.Close() })
	return srv, m
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(r.Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

// TestPageKeepsItsPolicy: the policy forbids what is inline or from elsewhere, so the page must have none.
func TestPageKeepsItsPolicy(t *testing.T) {
	srv, _ := serve(t)
	r, page := get(t, srv.URL+"/")
	if p := r.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'self'") {
		t.Errorf("policy %q", p)
	}
	if bad := regexp.MustCompile(`style=|<style|<script>|onclick=|https?://`).FindString(page); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	files := regexp.MustCompile(`/static/[a-z.]+`).FindAllString(page, -1)
	if len(files) < 5 {
		t.Fatalf("only %v are named", files)
	}
	for _, f := range files {
		r, text := get(t, srv.URL+f)
		if r.StatusCode != http.StatusOK || text == "" {
			t.Errorf("%s: %s", f, r.Status)
		}
		for _, m := range regexp.MustCompile(`from "\./([a-z.]+)"`).FindAllStringSubmatch(text, -1) {
			if r, _ := get(t, srv.URL+"/static/"+m[1]); r.StatusCode != http.StatusOK {
				t.Errorf("%s imports %s: %s", f, m[1], r.Status)
			}
		}
	}
}

// next reads one event of a stream.
func next(t *testing.T, r *bufio.Reader) (name string, u update) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &u); err != nil {
				t.Fatal(err)
			}
			return name, u
		}
	}
}

// TestStream: first all there is, then what changed.
func TestStream(t *testing.T) {
	srv, model := serve(t)
	r, err := http.Get(srv.URL + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	in := bufio.NewReader(r.Body)
	name, u := next(t, in)
	if name != "snapshot" || u.Overview == nil || u.Overview.Counters.Late != 1 || len(u.Vehicles) != 1 || u.Vehicles[0].VIN != "V1" {
		t.Fatalf("%s %+v", name, u)
	}
	for i, id := range []string{"b", "a"} {
		row, _ := json.Marshal(notify.MessageView{ID: id, VIN: "V1", Created: int64(2 - i)})
		model.Apply(notify.MessagePrefix+"V1/"+id, row)
	}
	got := map[string]bool{}
	for len(got) < 2 {
		name, u = next(t, in)
		if name != "update" || len(u.Vehicles) != 0 {
			t.Fatalf("%s %+v: the car has not spoken again", name, u)
		}
		for _, m := range u.Messages {
			got[m.ID] = true
		}
	}
}

func TestUpdateHasTheOldestFirst(t *testing.T) {
	u := update{Messages: []notify.MessageView{{ID: "new", Created: 2}, {ID: "old", Created: 1}}, Leads: []notify.LeadView{{Lead: "new", Updated: 2}, {Lead: "old", Updated: 1}}}
	sortUpdate(&u)
	if u.Messages[0].ID != "old" || u.Leads[0].Lead != "old" {
		t.Errorf("%+v", u)
	}
}
