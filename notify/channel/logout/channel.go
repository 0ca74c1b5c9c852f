// Package logout is the channel that takes every event and appends it as one JSON line to a file or to
// standard output.
package logout

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/milepost-io/milepost/notify"
)

// Channel writes lines. It implements notify.Channel and may be used concurrently. An event may stand in
// the file twice after a crash, under the same id.
type Channel struct {
	mu   sync.Mutex
	w    io.Writer
	file *os.File // nil: not ours to close
	line []byte
}

var _ notify.Channel = (*Channel)(nil)

// New writes to w, which stays the caller's.
func New(w io.Writer) *Channel { return &Channel{w: w} }

// Open appends to a file, made when missing, readable by its owner alone: events name people.
func Open(path string) (*Channel, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	return &Channel{w: f, file: f}, nil
}

// Send implements notify.Channel: one line, in one write.
func (c *Channel) Send(_ context.Context, e *notify.Entry) notify.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = append(append(c.line[:0], e.Body...), '\n')
	if _, err := c.w.Write(c.line); err != nil {
		return notify.Answer{Outcome: notify.Retry, Detail: fmt.Sprintf("write event log: %v", err)}
	}
	return notify.Answer{}
}

// Close closes the file that Open opened.
func (c *Channel) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
