package cli

import (
	"fmt"
	"io"
	"time"
)

// progress tells how far long work is: a line redrawn on a terminal, a plain line every ten seconds
// otherwise.
type progress struct {
	to       io.Writer
	terminal bool
	begin    time.Time
	told     time.Time
	drawn    bool
}

func newProgress(to io.Writer, terminal bool) *progress {
	now := time.Now()
	return &progress{to: to, terminal: terminal, begin: now, told: now}
}

// at is called with the number of records done.
func (p *progress) at(n int) {
	p.tell(func(seconds float64) string { return fmt.Sprintf("%d records, %.0f/s", n, float64(n)/seconds) })
}

// bytes is called with the number of bytes done of a total, 0 while that is not known.
func (p *progress) bytes(n, total int64) {
	p.tell(func(seconds float64) string {
		of := ""
		if total > 0 {
			of = fmt.Sprintf(" of %s (%.0f %%)", size(total), min(100, 100*float64(n)/float64(total)))
		}
		return fmt.Sprintf("%s%s, %s/s", size(n), of, size(int64(float64(n)/seconds)))
	})
}

// tell writes a line when it is time for one.
func (p *progress) tell(line func(seconds float64) string) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.told) < every {
		return
	}
	p.told = now
	text := line(now.Sub(p.begin).Seconds())
	if p.terminal {
		p.drawn = true
		fmt.Fprintf(p.to, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.to, text)
}

func (p *progress) end() {
	if p.drawn {
		p.drawn = false
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
