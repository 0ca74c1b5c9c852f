// Receiver is an example endpoint for Milepost's webhooks: it checks the signature (Standard Webhooks),
// answers once per event id, and prints one line per event as JSON.
//
//	go run ./deploy/examples/receiver -listen 127.0.0.1:9900 -secret-file app.secret
//
// The secret file is made on the first run when it is missing. Give the same file to Milepost.
package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9900", "address")
	secretFile := flag.String("secret-file", "webhook.secret", "file with one whsec_… secret a line")
	flag.Parse()
	secrets, err := readSecrets(*secretFile)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "receiving on http://%s/hooks\n", ln.Addr())
	r := &receiver{secrets: secrets, now: time.Now, seen: map[string]bool{}, out: bufio.NewWriter(os.Stdout)}
	srv := &http.Server{Handler: r, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// readSecrets reads the keys, making the file when there is none.
func readSecrets(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		b = []byte("whsec_" + base64.StdEncoding.EncodeToString(key) + "\n")
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for line := range strings.Lines(string(b)) {
		s, ok := strings.CutPrefix(strings.TrimSpace(line), "whsec_")
		if !ok {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no line begins with whsec_", path)
	}
	return keys, nil
}

type receiver struct {
	secrets [][]byte
	now     func() time.Time

	mu   sync.Mutex
	seen map[string]bool
	out  *bufio.Writer
}

// tolerance is how far a signature's time may be from ours.
const tolerance = 5 * time.Minute

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		http.Error(w, "cannot read", http.StatusBadRequest)
		return
	}
	id := req.Header.Get("webhook-id")
	if err := r.verify(id, req.Header, body); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Delivery is at least once, each event under one id: what was seen is answered and not done again.
	if !r.seen[id] {
		r.seen[id] = true
		line, _ := json.Marshal(map[string]any{"id": id, "event": json.RawMessage(body)})
		_, _ = r.out.Write(append(line, '\n'))
		_ = r.out.Flush()
	}
	w.WriteHeader(http.StatusNoContent)
}

// verify checks the signature of the Standard Webhooks specification: HMAC-SHA256 over
// "id.timestamp.body", base64, "v1," before it; any of our secrets may have signed.
func (r *receiver) verify(id string, h http.Header, body []byte) error {
	at := h.Get("webhook-timestamp")
	sec, err := strconv.ParseInt(at, 10, 64)
	if id == "" || err != nil {
		return errors.New("webhook-id or webhook-timestamp is missing")
	}
	if d := r.now().Sub(time.Unix(sec, 0)); d > tolerance || d < -tolerance {
		return errors.New("the signature is too old or from the future")
	}
	for _, key := range r.secrets {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, at)
		mac.Write(body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, got := range strings.Fields(h.Get("webhook-signature")) {
			if hmac.Equal([]byte(got), []byte(want)) {
				return nil
			}
		}
	}
	return errors.New("no signature matches: is it the same secret on both sides?")
}
