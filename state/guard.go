package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

const (
	// condemnAfter is how many deaths in a step call are enough to leave it out (E17).
	condemnAfter = 3
	// markFrom is the start, counted since the last one that came through its replay, from which calls
	// are marked: a first crash is recovered from without.
	markFrom = 2
)

// Call names a step call: the N-th made for a record, its own and those of the timers and activations that
// ran with it. A replay makes the same calls.
type Call struct {
	Record log.Offset `json:"record"`
	N      uint32     `json:"n"`
}

// Guard finds the step call that ends the process by what a recover does not catch: stack overflow, memory
// exhausted, a fatal error of the runtime (E17). One Guard serves all shards of a process.
//
// From the second replay on each call is named in a file before it is made and struck out after it. The
// file is not synced: what is to be survived is the death of the process, which leaves the page cache,
// and so a mark costs a microsecond and replay is not slowed to the pace of a disk. Marked calls are made
// one at a time in the process, so that a death has one name. A call that three replays died in, none
// having come through it, is condemned: it is left out from then on, with a dead letter.
//
// A kill from outside is counted only when it meets the same call three times in a row, of a few
// microseconds each. Control calls, which take longer, are never marked.
type Guard struct {
	fs   FS
	dir  string
	file vfs.File // the mark; nil when calls are not marked

	turn   sync.Mutex // held by the shard whose marked call is being made
	passed bool       // the suspect was come through; under turn
	buf    [markSize]byte

	mu      sync.Mutex // guards what follows
	state   guardState
	replays map[log.Partition]struct{} // not come through yet
}

// guardState is the file replay.json, replaced whole.
type guardState struct {
	Log hexID `json:"log"`
	// Starts counts the starts since the last that came through its replay, this one included.
	Starts    int           `json:"starts"`
	Suspect   guardedCall   `json:"suspect"`
	Deaths    int           `json:"deaths"`
	Condemned []guardedCall `json:"condemned,omitempty"`
}

type guardedCall struct {
	Stage log.Stream `json:"stage"`
	Shard uint16     `json:"shard"`
	Call
}

func (c guardedCall) of(p log.Partition) bool { return c.Stage == p.Stream && c.Shard == p.Shard }

const (
	guardFile = "replay.json"
	markFile  = "replay.at"
	markSize  = 17 // inside | passed | stage | shard (2) | record (8) | call (4)
)

// OpenGuard opens the guard in a folder, which exists, and counts a start. What it knows of another log than
// id is forgotten (E15).
func OpenGuard(fs FS, dir string, id log.ID) (*Guard, error) {
	g, err := ReadGuard(fs, dir, id)
	if err != nil {
		return nil, err
	}
	if err := g.open(); err != nil {
		return nil, fmt.Errorf("state: open guard in %s: %w", dir, err)
	}
	return g, nil
}

// ReadGuard reads what is condemned, to look into a stopped engine's folder.
func ReadGuard(fs FS, dir string, id log.ID) (*Guard, error) {
	if fs == nil {
		fs = vfs.Default
	}
	g := &Guard{fs: fs, dir: dir, replays: map[log.Partition]struct{}{}}
	b, err := ReadFile(fs, fs.PathJoin(dir, guardFile))
	if err != nil {
		return nil, fmt.Errorf("state: open guard in %s: %w", dir, err)
	}
	if json.Unmarshal(b, &g.state) != nil || g.state.Log != hexID(id) {
		g.state = guardState{Log: hexID(id)} // a file that cannot be read condemns nothing
	}
	return g, nil
}

// open judges how the last process ended and counts this start.
func (g *Guard) open() error {
	path := g.fs.PathJoin(g.dir, markFile)
	mark, err := ReadFile(g.fs, path)
	if err != nil {
		return err
	}
	if len(mark) == markSize && g.state.Starts > 0 {
		g.judge(mark)
	}
	g.state.Starts++
	// The mark goes durably, and before its death is counted: one that came back after a power failure would
	// be counted again at each start.
	if err := g.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := SyncDir(g.fs, g.dir); err != nil {
		return err
	}
	if err := g.save(); err != nil {
		return err
	}
	if g.state.Starts < markFrom {
		return nil
	}
	if g.file, err = g.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return err
	}
	return g.mark(guardedCall{}, false)
}

// judge counts a death in a step call.
func (g *Guard) judge(mark []byte) {
	s := &g.state
	if mark[1] != 0 {
		s.Suspect, s.Deaths = guardedCall{}, 0
	}
	if mark[0] == 0 {
		return
	}
	c := guardedCall{Stage: log.Stream(mark[2]), Shard: binary.BigEndian.Uint16(mark[3:])}
	c.Record, c.N = log.Offset(binary.BigEndian.Uint64(mark[5:])), binary.BigEndian.Uint32(mark[13:])
	if c != s.Suspect {
		s.Suspect, s.Deaths = c, 0
	}
	if s.Deaths++; s.Deaths >= condemnAfter {
		s.Condemned = append(s.Condemned, c)
		s.Suspect, s.Deaths = guardedCall{}, 0
	}
}

// save replaces the file durably.
func (g *Guard) save() error {
	b, err := json.Marshal(&g.state)
	if err != nil {
		return err
	}
	return ReplaceFile(g.fs, g.fs.PathJoin(g.dir, guardFile), append(b, '\n'))
}

// Close closes the files.
func (g *Guard) Close() error {
	if g.file == nil {
		return nil
	}
	return g.file.Close()
}

// Condemned are the calls of a partition that are not to be made.
func (g *Guard) Condemned(p log.Partition) (calls []Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.state.Condemned {
		if c.of(p) {
			calls = append(calls, c.Call)
		}
	}
	return calls
}

// join enters a shard whose replay begins and returns how often the process was started since one came
// through.
func (g *Guard) join(p log.Partition) (starts int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replays[p] = struct{}{}
	return g.state.Starts
}

// through is called when a shard's store stands at a position beyond its replay: no start will come to
// what lies below again.
func (g *Guard) through(p log.Partition, pos log.Offset) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, replaying := g.replays[p]; !replaying {
		return nil
	}
	delete(g.replays, p)
	s := &g.state
	behind := func(c guardedCall) bool { return c.of(p) && c.Record < pos }
	s.Condemned = slices.DeleteFunc(s.Condemned, behind)
	if behind(s.Suspect) {
		s.Suspect, s.Deaths = guardedCall{}, 0
	}
	if len(g.replays) > 0 {
		return nil
	}
	s.Starts = 0
	return g.save()
}

// marks reports whether calls are to be marked.
func (g *Guard) marks() bool { return g.file != nil }

// enter marks a call; it waits for its turn, which ends with leave.
func (g *Guard) enter(p log.Partition, c Call) error {
	g.turn.Lock()
	err := g.mark(guardedCall{p.Stream, p.Shard, c}, true)
	if err != nil {
		g.turn.Unlock()
	}
	return err
}

// leave strikes the mark out.
func (g *Guard) leave(p log.Partition, c Call) error {
	defer g.turn.Unlock()
	at := guardedCall{p.Stream, p.Shard, c}
	g.passed = g.passed || at == g.suspect()
	return g.mark(at, false)
}

func (g *Guard) suspect() guardedCall {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Suspect
}

func (g *Guard) mark(c guardedCall, inside bool) error {
	b := g.buf[:0]
	b = append(b, boolByte(inside), boolByte(g.passed), byte(c.Stage))
	b = binary.BigEndian.AppendUint16(b, c.Shard)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Record))
	b = binary.BigEndian.AppendUint32(b, c.N)
	if _, err := g.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("state: mark a step call: %w", err)
	}
	return nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
