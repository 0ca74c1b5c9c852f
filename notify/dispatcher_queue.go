package notify

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// item is an entry in memory. It is in the heap unless a call of it is under way or it has ended; it is
// in its lane until it has ended.
type item struct {
	key      string // row key
	e        *Entry
	from     time.Time // when its turn comes at the latest
	at       time.Time // when it may be sent: from, or its next retry
	deadline time.Time // when it expires
	attempts int
	heapAt   int // place in the heap; -1: not in it
	ended    bool
}

// queue holds the entries of one destination: a heap by the time they may be sent, and a lane per vehicle
// in order of creation (S45). It is guarded by its destination's mutex.
type queue struct {
	wait  time.Duration    // how long an entry waits at most for the one before it
	items map[string]*item // by row key; ended ones until their row is gone
	lanes map[string][]*item
	heap  itemHeap
	live  int // items that have not ended
}

func newQueue(wait time.Duration) queue {
	return queue{wait: wait, items: map[string]*item{}, lanes: map[string][]*item{}}
}

// add puts a new item into its lane. Its turn comes at once when it is the first there, else when the one
// before it has ended or has had its turn for so long.
func (q *queue) add(it *item, now time.Time) {
	lane := q.lanes[it.e.VIN]
	i, _ := slices.BinarySearchFunc(lane, it, func(a, b *item) int { return strings.Compare(a.key, b.key) })
	q.lanes[it.e.VIN] = slices.Insert(lane, i, it)
	it.from = now
	if i > 0 {
		it.from = latest(now, lane[i-1].from).Add(q.wait)
	}
	it.at = it.from
	q.items[it.key] = it
	q.live++
	heap.Push(&q.heap, it)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// end takes an item out of its lane and lets the next one go. It stays known by its key until its row is
// gone, so that a scan does not find it again.
func (q *queue) end(it *item, now time.Time) {
	if it.ended {
		return
	}
	it.ended = true
	q.live--
	if it.heapAt >= 0 {
		heap.Remove(&q.heap, it.heapAt)
	}
	lane := q.lanes[it.e.VIN]
	i := slices.Index(lane, it)
	lane = slices.Delete(lane, i, i+1)
	if len(lane) == 0 {
		delete(q.lanes, it.e.VIN)
	} else {
		q.lanes[it.e.VIN] = lane
	}
	q.advance(lane[i:], now)
	it.e = &Entry{Endpoint: it.e.Endpoint, VIN: it.e.VIN} // the body is no longer needed
}

// advance lets the first of a lane's rest have its turn, and brings the turns behind it forward.
func (q *queue) advance(rest []*item, turn time.Time) {
	for _, it := range rest {
		if !turn.Before(it.from) {
			return
		}
		it.from = turn
		if it.attempts == 0 && it.heapAt >= 0 {
			it.at = turn
			heap.Fix(&q.heap, it.heapAt)
		}
		turn = turn.Add(q.wait)
	}
}

// restart gives out the turns anew, after nothing was sent for longer than an entry waits for another.
func (q *queue) restart(now time.Time) {
	for _, lane := range q.lanes {
		turn := now
		for _, it := range lane {
			it.from = turn
			if it.heapAt >= 0 && (it.attempts == 0 || it.at.Before(turn)) {
				it.at = turn
				heap.Fix(&q.heap, it.heapAt)
			}
			turn = turn.Add(q.wait)
		}
	}
}

// remove forgets a row.
func (q *queue) remove(key string, now time.Time) {
	it := q.items[key]
	if it == nil {
		return
	}
	q.end(it, now)
	delete(q.items, key)
}

// first is the item that may be sent next, nil when there is none.
func (q *queue) first() *item {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// take removes the first item from the heap for a call.
func (q *queue) take() *item { return heap.Pop(&q.heap).(*item) }

// pull removes an item from the heap to be ended.
func (q *queue) pull(it *item) { heap.Remove(&q.heap, it.heapAt) }

// giveBack lets an item be sent again at a later time.
func (q *queue) giveBack(it *item, at time.Time) {
	if it.ended {
		return
	}
	it.at = at
	heap.Push(&q.heap, it)
}

// itemHeap orders by time, then by key. It implements heap.Interface.
type itemHeap []*item

func (h itemHeap) Len() int { return len(h) }
func (h itemHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].key < h[j].key
}
func (h itemHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = i, j
}
func (h *itemHeap) Push(x any) {
	it := x.(*item)
	it.heapAt = len(*h)
	*h = append(*h, it)
}
func (h *itemHeap) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	it.heapAt = -1
	return it
}
