//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// received is one event as a receiver got it.
type received struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Sub  string `json:"subject"`
	Time string `json:"time"`
	Data struct {
		Alert    string `json:"alert"`
		Lead     string `json:"lead"`
		Reason   string `json:"reason"`
		Silent   bool   `json:"silent"`
		Odometer struct {
			KM float64 `json:"km"`
		} `json:"odometer"`
		Visit struct {
			Remaining struct {
				KM float64 `json:"km"`
			} `json:"remaining"`
		} `json:"visit"`
		Items []struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"items"`
		Causes []struct {
			Item  string `json:"item"`
			Level string `json:"level"`
			Rule  string `json:"rule"`
		} `json:"causes"`
		Rule struct {
			ID string `json:"id"`
		} `json:"rule"`
	} `json:"data"`
	body string
}

// receiver is an endpoint that checks every signature and keeps what it got.
type receiver struct {
	*httptest.Server
	secret string

	mu     sync.Mutex
	events []received // first sight of each id, in order
	bodies map[string]string
	again  int
	bad    []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")), bodies: map[string]string{}}
	wh, err := standardwebhooks.NewWebhook(r.secret)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		var e received
		switch err := wh.Verify(body, req.Header); {
		case err != nil:
			r.bad = append(r.bad, "signature: "+err.Error())
		case json.Unmarshal(body, &e) != nil || e.ID != req.Header.Get("webhook-id"):
			r.bad = append(r.bad, "body: "+string(body))
		case r.bodies[e.ID] == "":
			e.body = string(body)
			r.bodies[e.ID] = e.body
			r.events = append(r.events, e)
		default:
			r.again++
			if r.bodies[e.ID] != string(body) {
				r.bad = append(r.bad, "a retry of "+e.ID+" has another body")
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// all returns the events so far, and fails on anything that was wrong with a request.
func (r *receiver) all(t *testing.T) []received {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bad) > 0 {
		t.Fatalf("bad requests: %v", r.bad)
	}
	return append([]received(nil), r.events...)
}
