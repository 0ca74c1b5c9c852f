package cli

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// receivers are the demo's owner app and dealer system: they take every webhook and count what came again
// under the same id and what came under a second one.
type receivers struct {
	owner, dealer string // URLs
	srv           *http.Server
	done          chan struct{}

	mu     sync.Mutex
	bodies map[string]bool   // ids seen
	first  map[string]string // what an event says → its id
	events int
	again  int // same id once more: allowed
	second int // the same event under another id: never
}

func startReceivers(d *demoSetup) (*receivers, error) {
	if err := writeSecret(filepath.Join(d.dir, "demo.secret")); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receivers{bodies: map[string]bool{}, first: map[string]string{}, done: make(chan struct{})}
	r.owner, r.dealer = "http://"+l.Addr().String()+"/owner", "http://"+l.Addr().String()+"/dealer"
	r.srv = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(r.done)
		_ = r.srv.Serve(l)
	}()
	return r, nil
}

func (r *receivers) stop() {
	_ = r.srv.Close()
	<-r.done
}

func writeSecret(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// ServeHTTP counts one delivery.
func (r *receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.Header.Get("webhook-id")
	if r.bodies[id] {
		r.again++
		return
	}
	r.bodies[id] = true
	r.events++
	key := transition(body)
	if other, ok := r.first[key]; ok && other != id {
		r.second++
	}
	r.first[key] = id
}

// transition is what an event tells, whatever its id: two ids for one of these are a doubled event.
func transition(body []byte) string {
	var e struct {
		Type, Time string
		Data       struct {
			Alert, Lead string
			Items       []struct{ ID, State string }
			Causes      []struct{ Item, Level, Rule string }
		}
	}
	if json.Unmarshal(body, &e) != nil {
		return string(body)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return string(body)
	}
	return string(b)
}

func (r *receivers) counts() (events, again, second int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events, r.again, r.second
}
