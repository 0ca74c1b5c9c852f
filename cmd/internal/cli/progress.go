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
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.told) < every {
		return
	}
	p.told = now
	rate := float64(n) / now.Sub(p.begin).Seconds()
	if p.terminal {
		p.drawn = true
		fmt.Fprintf(p.to, "\r\x1b[K%d records, %.0f/s", n, rate)
		return
	}
	fmt.Fprintf(p.to, "%d records, %.0f/s\n", n, rate)
}

func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
