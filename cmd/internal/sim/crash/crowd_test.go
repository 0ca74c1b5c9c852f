package crash

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/milepost-io/milepost/state/statetest"
)

// diskSize is the size of the disk of a world: more than anything in it needs.
const diskSize = 1 << 30

// crowd is somebody else on the disk, who fills it now below the reserve, now to the last byte, and makes
// room again. Its zero value does nothing.
type crowd struct {
	quit chan struct{}
	done sync.WaitGroup
	disk *statetest.SmallDisk
	full int // times it was full, once it has ended
}

func (c *crowd) begin(disk *statetest.SmallDisk, seed uint64) {
	c.quit, c.disk = make(chan struct{}), disk
	rng := rand.New(rand.NewPCG(seed, 3))
	c.done.Go(func() {
		for {
			for _, foreign := range []int64{0, diskSize - diskSize/40, diskSize} {
				disk.Foreign(foreign)
				if foreign == diskSize {
					c.full++
				}
				select {
				case <-c.quit:
					return
				case <-time.After(time.Duration(rng.Int64N(int64(4 * time.Millisecond)))):
				}
			}
		}
	})
}

// end makes room and leaves.
func (c *crowd) end() {
	if c.quit == nil {
		return
	}
	close(c.quit)
	c.done.Wait()
	c.disk.Foreign(0)
	c.quit = nil
}
