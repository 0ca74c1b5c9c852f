package journal

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/state/log"
)

// frame is a closed frame in memory. It is immutable while anybody holds a reference: the ring has one,
// and each reader whose last batch views it has one. Whoever gives up the last returns it to the pool.
type frame struct {
	frameHeader
	base []log.Offset // next offset of each partition before it
	runs []run        // views into buf
	buf  []byte       // as it is in the file
	refs atomic.Int32
	pool *framePool
}

// frameOverhead stands for what a frame in memory costs beside its buffer.
const frameOverhead = 512

func (f *frame) memory() int64 { return int64(cap(f.buf)) + frameOverhead }

func (f *frame) release() {
	if f.refs.Add(-1) == 0 {
		f.pool.put(f)
	}
}

// run returns the run of a partition, if the frame has one.
func (f *frame) run(part int) (run, bool) {
	for _, r := range f.runs {
		if r.part == part {
			return r, true
		}
	}
	return run{}, false
}

// framePool keeps a few frames whose memory the next ones can use.
type framePool struct {
	mu   sync.Mutex
	free []*frame
}

// get returns a frame with a buffer of n bytes, referenced once.
func (p *framePool) get(n int) *frame {
	f := p.take(n)
	if f == nil {
		f = &frame{pool: p, buf: make([]byte, roundSize(n))}
	}
	f.buf = f.buf[:n]
	f.refs.Store(1)
	return f
}

// take returns a free frame that is large enough, but not so large that memory would be wasted.
func (p *framePool) take(n int) *frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.free {
		if c := cap(f.buf); c >= n && c <= 2*roundSize(n) {
			last := len(p.free) - 1
			p.free[i] = p.free[last]
			p.free[last] = nil
			p.free = p.free[:last]
			return f
		}
	}
	return nil
}

func (p *framePool) put(f *frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == maxSpareFrames {
		p.free = p.free[:copy(p.free, p.free[1:])] // the oldest fits least what is needed now
	}
	p.free = append(p.free, f)
}

// roundSize is the capacity given to a buffer of n bytes: a few sizes, so that buffers fit again.
func roundSize(n int) int {
	if n > 64<<10 {
		return (n + 64<<10 - 1) &^ (64<<10 - 1)
	}
	size := 512
	for size < n {
		size *= 2
	}
	return size
}

// ring holds the newest frames in order, without gaps.
type ring struct {
	frames []*frame // from head on
	head   int
	bytes  int64
}

func (r *ring) push(f *frame) {
	if r.head > len(r.frames)/2 {
		n := copy(r.frames, r.frames[r.head:])
		clear(r.frames[n:])
		r.frames, r.head = r.frames[:n], 0
	}
	r.frames = append(r.frames, f)
	r.bytes += f.memory()
}

// evict drops the oldest frames until at most limit bytes are held. All must be in their segments.
func (r *ring) evict(limit int64) {
	for r.bytes > limit && r.head < len(r.frames) {
		f := r.frames[r.head]
		r.frames[r.head] = nil
		r.head++
		r.bytes -= f.memory()
		f.release()
	}
}

// find returns the frame where the record at off of a partition is, referenced for the caller; nil when
// it is older than the ring. The record must have been published.
func (r *ring) find(part int, off log.Offset) *frame {
	live := r.frames[r.head:]
	i := sort.Search(len(live), func(i int) bool { return live[i].base[part] > off })
	if i == 0 {
		return nil
	}
	f := live[i-1]
	f.refs.Add(1)
	return f
}
