package plan

import (
	"slices"

	"github.com/hotspare/hotspare/scheduler"
)

// set is a set of small numbers.
type set []uint64

func newSet(n int) set { return make(set, n/64+1) }

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) addAll(o set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// before gives for each step, by ID, the IDs of all steps that are over when it begins. A
// wait for the step itself, or for a later one, counts for nothing.
func before(steps []scheduler.Step) []set {
	all := make([]set, len(steps)+1)
	all[0] = newSet(len(steps))
	for i := range steps {
		id := i + 1
		all[id] = newSet(len(steps))
		for _, a := range steps[i].After {
			if a >= 1 && a < id {
				all[id].add(a)
				all[id].addAll(all[a])
			}
		}
	}
	return all
}

// reduce leaves out of each step's waits those that follow from its others, and sorts
// them.
func reduce(steps []scheduler.Step) {
	all := before(steps)
	for i := range steps {
		implied := newSet(len(steps))
		for _, a := range steps[i].After {
			implied.addAll(all[a])
		}
		steps[i].After = slices.DeleteFunc(steps[i].After, func(a int) bool { return implied.has(a) })
		slices.Sort(steps[i].After)
	}
}
