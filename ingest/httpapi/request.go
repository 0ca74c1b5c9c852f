package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// format is how a body holds its events.
type format uint8

const (
	formatJSON  format = iota // an event or an array of events
	formatLines               // NDJSON: an event a line
	formatCloud               // a structured CloudEvent, or an array of them; its data is the event
)

// formats are the media types accepted.
func formatOf(header http.Header) (format, *problem) {
	if enc := header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return 0, refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %.40q is not supported, send the body as it is", enc))
	}
	ct := header.Get("Content-Type")
	if ct == "" {
		return formatJSON, nil
	}
	media, params, err := mime.ParseMediaType(ct)
	if err == nil {
		if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") {
			return 0, refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("charset %.40q is not supported, JSON is UTF-8", cs))
		}
		switch media {
		case "application/json", "application/x-www-form-urlencoded": // the latter is what curl -d says
			return formatJSON, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl":
			return formatLines, nil
		case "application/cloudevents+json", "application/cloudevents-batch+json":
			return formatCloud, nil
		}
	}
	return 0, refuse(http.StatusUnsupportedMediaType, fmt.Sprintf(
		"content type %.80q is not supported; send application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json", ct))
}

// originOf identifies a request by its Idempotency-Key, per client (S5). Empty: it carries none.
func originOf(client string, header http.Header) (string, *problem) {
	key := header.Get("Idempotency-Key")
	if key == "" {
		return "", nil
	}
	if len(key) > 255 {
		return "", refuse(http.StatusBadRequest, fmt.Sprintf("an Idempotency-Key of %d bytes; at most 255 are allowed", len(key)))
	}
	sum := sha256.Sum256([]byte(key))
	return "http:" + client + ":" + hex.EncodeToString(sum[:16]), nil
}

// bodySize is what a body is charged with before it is read: what it says it is, or the most it may be.
func bodySize(r *http.Request) int64 {
	if r.ContentLength >= 0 && r.ContentLength < ingest.MaxPacket {
		return r.ContentLength
	}
	return ingest.MaxPacket
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	if r.ContentLength > ingest.MaxPacket {
		return nil, tooLarge()
	}
	// A recorder in a test has no deadlines; a server's connection has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ingest.MaxPacket))
	var limit *http.MaxBytesError
	switch {
	case err == nil:
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, nil
	case errors.As(err, &limit):
		return nil, tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, "the body did not arrive in time")
	}
	return nil, refuse(http.StatusBadRequest, "the body ended early")
}

func tooLarge() *problem {
	return refuse(http.StatusRequestEntityTooLarge, "a request of more than 16 MiB; send fewer events at a time")
}
