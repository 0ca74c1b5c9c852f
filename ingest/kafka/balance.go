package kafka

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

// stickyBalancer gives each member its former partitions again as far as shares stay even: a car's state
// lies with the member that has taken its messages. Members tell what they hold when they join.
type stickyBalancer struct {
	mu   sync.Mutex
	held holding
}

// holding is what a member tells: its partitions by topic, and in which generation it got them.
type holding struct {
	Generation int32            `json:"generation"`
	Partitions map[string][]int `json:"partitions"`
}

func newStickyBalancer() *stickyBalancer { return &stickyBalancer{} }

// hold notes what a generation gave us.
func (b *stickyBalancer) hold(gen *kafka.Generation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = holding{Generation: gen.ID, Partitions: map[string][]int{}}
	for topic, parts := range gen.Assignments {
		for _, p := range parts {
			b.held.Partitions[topic] = append(b.held.Partitions[topic], p.ID)
		}
	}
}

// ProtocolName implements kafka.GroupBalancer.
func (b *stickyBalancer) ProtocolName() string { return "milepost-sticky" }

// UserData implements kafka.GroupBalancer.
func (b *stickyBalancer) UserData() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return json.Marshal(b.held)
}

// AssignGroups implements kafka.GroupBalancer: topic by topic, each member that reads the topic keeps what
// it held up to its share, the newest generation first, and what is left goes where least is.
func (b *stickyBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	members = slices.SortedFunc(slices.Values(members), func(x, y kafka.GroupMember) int { return cmp.Compare(x.ID, y.ID) })
	holdings := make([]holding, len(members))
	out := kafka.GroupMemberAssignments{}
	for i, m := range members {
		out[m.ID] = map[string][]int{}
		if json.Unmarshal(m.UserData, &holdings[i]) != nil {
			holdings[i] = holding{} // a member of another make
		}
	}
	byTopic := map[string][]int{}
	var topics []string
	for _, p := range partitions {
		if byTopic[p.Topic] == nil {
			topics = append(topics, p.Topic)
		}
		byTopic[p.Topic] = append(byTopic[p.Topic], p.ID)
	}
	slices.Sort(topics)
	total := make([]int, len(members))
	for _, topic := range topics {
		assignTopic(topic, byTopic[topic], members, holdings, total, out)
	}
	return out
}

func assignTopic(topic string, free []int, members []kafka.GroupMember, holdings []holding, total []int, out kafka.GroupMemberAssignments) {
	var readers []int
	for i, m := range members {
		if slices.Contains(m.Topics, topic) {
			readers = append(readers, i)
		}
	}
	if len(readers) == 0 {
		return
	}
	slices.Sort(free)
	share := (len(free) + len(readers) - 1) / len(readers)
	spare := len(free) - (share-1)*len(readers) // members that may have a whole share, the others one less
	give := func(i, partition int) {
		out[members[i].ID][topic] = append(out[members[i].ID][topic], partition)
		total[i]++
		free = slices.DeleteFunc(free, func(p int) bool { return p == partition })
	}
	keepers := slices.Clone(readers)
	slices.SortStableFunc(keepers, func(x, y int) int { return cmp.Compare(holdings[y].Generation, holdings[x].Generation) })
	for _, i := range keepers {
		for _, p := range holdings[i].Partitions[topic] {
			has := len(out[members[i].ID][topic])
			if !slices.Contains(free, p) || has >= share || has == share-1 && spare == 0 {
				continue
			}
			if has == share-1 {
				spare--
			}
			give(i, p)
		}
	}
	for len(free) > 0 {
		least := slices.MinFunc(readers, func(x, y int) int {
			return cmp.Or(cmp.Compare(len(out[members[x].ID][topic]), len(out[members[y].ID][topic])), cmp.Compare(total[x], total[y]))
		})
		give(least, free[0])
	}
}
