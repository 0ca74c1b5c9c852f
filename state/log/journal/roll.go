package journal

import "context"

// Roll ends the segment being written, durably, and begins another: every record appended before the call
// is in a segment that nothing is written to any more. An empty segment stays.
func (j *Journal) Roll(ctx context.Context) error {
	done := make(chan error, 1)
	j.mu.Lock()
	if err := j.endedErr(); err != nil {
		j.mu.Unlock()
		return err
	}
	j.rolls = append(j.rolls, done)
	j.wakeSyncer()
	j.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeRolls returns who waits for a roll. mu is held.
func (j *Journal) takeRolls() []chan error {
	rolls := j.rolls
	j.rolls = nil
	return rolls
}

// roll begins a segment where the frames written so far end. The syncer calls it between two groups, so
// that every frame assembled is written.
func (j *Journal) roll() error {
	w := &j.writer
	if w.seg.size == w.seg.start {
		return nil
	}
	j.mu.Lock()
	base := append(j.readable[:0:0], j.readable...)
	j.mu.Unlock()
	return j.rotate(w.last.seq+1, base)
}
