package kafka

import (
	"fmt"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"
)

// memberWith is a member that holds partitions of topic t since a generation.
func memberWith(t testing.TB, id string, generation int32, partitions ...int) kafka.GroupMember {
	t.Helper()
	b := newStickyBalancer()
	gen := &kafka.Generation{ID: generation, Assignments: map[string][]kafka.PartitionAssignment{}}
	for _, p := range partitions {
		gen.Assignments["t"] = append(gen.Assignments["t"], kafka.PartitionAssignment{ID: p})
	}
	b.hold(gen)
	data, err := b.UserData()
	if err != nil {
		t.Fatal(err)
	}
	return kafka.GroupMember{ID: id, Topics: []string{"t"}, UserData: data}
}

func partitionsOf(topic string, n int) []kafka.Partition {
	var out []kafka.Partition
	for i := range n {
		out = append(out, kafka.Partition{Topic: topic, ID: i})
	}
	return out
}

func TestBalancerKeepsWhatMembersHold(t *testing.T) {
	b := newStickyBalancer()
	for _, c := range []struct {
		name    string
		members []kafka.GroupMember
		want    map[string][]int
	}{
		{"a newcomer gets a share", []kafka.GroupMember{memberWith(t, "a", 1, 0, 1, 2, 3), memberWith(t, "b", 0)}, map[string][]int{"a": {0, 1}, "b": {2, 3}}},
		{"a leaver's go round", []kafka.GroupMember{memberWith(t, "a", 2, 1, 3)}, map[string][]int{"a": {1, 3, 0, 2}}},
		{"what both claim is the newer one's", []kafka.GroupMember{memberWith(t, "a", 1, 0, 1), memberWith(t, "b", 2, 0, 3)}, map[string][]int{"a": {1, 2}, "b": {0, 3}}},
		{"a member of another make", []kafka.GroupMember{memberWith(t, "a", 1, 2, 3), {ID: "b", Topics: []string{"t"}, UserData: []byte("?")}}, map[string][]int{"a": {2, 3}, "b": {0, 1}}},
		{"one that does not read the topic", []kafka.GroupMember{memberWith(t, "a", 1), {ID: "b", Topics: []string{"u"}}}, map[string][]int{"a": {0, 1, 2, 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := b.AssignGroups(c.members, partitionsOf("t", 4))
			for id, want := range c.want {
				if !slices.Equal(got[id]["t"], want) {
					t.Errorf("%s has %v, expected %v", id, got[id]["t"], want)
				}
			}
		})
	}
}

// TestBalancerProperty: every partition has one member, shares differ by one at most, and who held no more
// than the smallest share loses nothing that nobody newer claims.
func TestBalancerProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, m := rapid.IntRange(1, 20).Draw(rt, "partitions"), rapid.IntRange(1, 6).Draw(rt, "members")
		owner := make([]int, n)
		held := make([][]int, m)
		for p := range owner {
			owner[p] = rapid.IntRange(-1, m-1).Draw(rt, "owner")
			if owner[p] >= 0 {
				held[owner[p]] = append(held[owner[p]], p)
			}
		}
		var members []kafka.GroupMember
		for i := range m {
			members = append(members, memberWith(t, fmt.Sprint("m", i), 1, held[i]...))
		}
		got := newStickyBalancer().AssignGroups(members, partitionsOf("t", n))
		seen := map[int]bool{}
		for i := range m {
			mine := got[fmt.Sprint("m", i)]["t"]
			if len(mine) < n/m || len(mine) > (n+m-1)/m {
				rt.Fatalf("member %d has %d of %d among %d", i, len(mine), n, m)
			}
			for _, p := range mine {
				if seen[p] {
					rt.Fatalf("partition %d is given twice", p)
				}
				seen[p] = true
			}
			if len(held[i]) <= n/m {
				for _, p := range held[i] {
					if !slices.Contains(mine, p) {
						rt.Fatalf("member %d lost partition %d of %v", i, p, held[i])
					}
				}
			}
		}
		if len(seen) != n {
			rt.Fatalf("%d of %d partitions were given", len(seen), n)
		}
	})
}

func TestLedgerIsContiguous(t *testing.T) {
	settled := make(chan struct{}, 1)
	l := ledger{settled: settled}
	l.begin(10)
	a, b := l.hand(20), l.hand(30)
	l.skip(35)
	c := l.hand(40)
	l.Acked(b, nil)
	if d, _, _ := l.state(); d != 10 {
		t.Fatalf("durable to %d with the first unanswered", d)
	}
	l.Acked(a, nil)
	if d, _, _ := l.state(); d != 35 {
		t.Fatalf("durable to %d, expected 35", d)
	}
	l.Acked(c, errSink)
	if d, idle, err := l.state(); d != 35 || !idle || err == nil {
		t.Fatalf("durable to %d, idle %v, %v after a failure", d, idle, err)
	}
	l.Acked(l.hand(50), nil)
	if d, _, _ := l.state(); d != 35 {
		t.Fatalf("durable to %d after a failure", d)
	}
}
