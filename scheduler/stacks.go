package scheduler

import (
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// Stacks are all stacks of a site. A property without a stack is as it was found, and
// nobody wants anything of it.
//
// Three operations change what is wanted: [Stacks.Put], [Stacks.Drop] and, for a target
// that a holder made, the drop of its presence. Three record what happened at the site:
// [Stacks.Begin], [Stacks.Finish] and [Stacks.Observed]. [Stacks.Gap] tells the
// difference, which is all that a plan ever closes. The law: when a holder has come and
// gone, in any order with others, the site is as it would be without it.
//
// Stacks are not safe for concurrent use.
type Stacks map[drivers.Property]*Stack

// Clone returns a copy whose stacks can be changed without changing these.
func (s Stacks) Clone() Stacks {
	c := make(Stacks, len(s))
	for p, stack := range s {
		c[p] = stack.Clone()
	}
	return c
}

// Put writes the holder's layer: on top, or in its old place where the holder has one
// already. It touches no other holder's layer.
func (s Stacks) Put(p drivers.Property, layer Layer) {
	stack := s[p]
	if stack == nil {
		stack = &Stack{}
		s[p] = stack
	}
	if own := stack.Of(layer.Holder); own != nil {
		own.Goal = layer.Goal
		return
	}
	stack.Layers = append(stack.Layers, layer)
}

// Drop takes the holder's layer out, wherever it lies. Dropping a layer that is not
// there does nothing. Where the last layer of the presence of a made target goes, the
// layers of everyone on that target go with it: the target ends with its maker.
func (s Stacks) Drop(p drivers.Property, h Holder) {
	stack := s[p]
	if stack == nil {
		return
	}
	stack.Layers = slices.DeleteFunc(stack.Layers, func(l Layer) bool { return l.Holder == h })
	if p.Name == drivers.Presence && len(stack.Layers) == 0 {
		for _, other := range s.OfTarget(p) {
			if other != p {
				s[other].Layers = nil
			}
		}
	}
	s.forget(p)
}

// OfTarget lists the properties of p's target that have a stack, sorted.
func (s Stacks) OfTarget(p drivers.Property) []drivers.Property {
	var all []drivers.Property
	for other := range s {
		if other.Cluster == p.Cluster && other.Kind == p.Kind && other.Target == p.Target {
			all = append(all, other)
		}
	}
	SortProperties(all)
	return all
}

// HeldBy lists the properties on which the holder has a layer, sorted.
func (s Stacks) HeldBy(h Holder) []drivers.Property {
	var all []drivers.Property
	for p, stack := range s {
		if stack.Of(h) != nil {
			all = append(all, p)
		}
	}
	SortProperties(all)
	return all
}

// IsMade reports whether p's target exists, or shall exist, only because a holder made
// it. Its properties have no bottom.
func (s Stacks) IsMade(p drivers.Property) bool {
	return s[p.On(drivers.Presence, "")] != nil
}

// SpecOf gives the spec that p's VM is made from by a holder, also while it is being
// taken away; nil where no holder made it.
func (s Stacks) SpecOf(p drivers.Property) *drivers.VMSpec {
	presence := s[p.On(drivers.Presence, "")]
	if presence == nil || p.Kind != drivers.VM {
		return nil
	}
	for _, layer := range presence.Layers {
		if v := layer.Goal.Value; v != nil && v.Spec != nil && v.Spec.VM != nil {
			return v.Spec.VM
		}
	}
	for _, v := range presence.Expected() {
		if v.Spec != nil && v.Spec.VM != nil {
			return v.Spec.VM
		}
	}
	return nil
}

// Exists reports whether p's target may be there: it was not made by a holder, or its
// making has begun and its end has not been seen.
func (s Stacks) Exists(p drivers.Property) bool {
	presence := s[p.On(drivers.Presence, "")]
	if presence == nil || presence.Uncertain() {
		return true
	}
	return presence.Stands != nil && presence.Stands.Text == drivers.Present
}

// Wanted gives what the stack's top asks for, as a value. known is false where that is
// not known yet: the value found before the first look, or what a change makes that has
// not been made.
func (s Stacks) Wanted(p drivers.Property) (value drivers.Value, known bool) {
	stack := s[p]
	if stack == nil {
		return drivers.Value{}, false
	}
	return s.Resolve(p, stack.Top())
}

// Resolve gives a goal for p as a value; known is false where that is not known yet.
func (s Stacks) Resolve(p drivers.Property, goal Goal) (value drivers.Value, known bool) {
	switch {
	case goal.Value != nil:
		return *goal.Value, true
	case goal.Made != nil:
		by := s[goal.Made.By]
		if by == nil || by.Stands == nil || by.Uncertain() {
			return drivers.Value{}, false
		}
		text, ok := by.Stands.Made[goal.Made.Key]
		return drivers.Value{Text: text}, ok
	}
	stack := s[p]
	switch {
	case stack == nil:
	case stack.Found != nil:
		return *stack.Found, true
	case p.Name == drivers.Presence:
		return drivers.Value{Text: drivers.Absent}, true
	}
	return drivers.Value{}, false
}

// Gap reports whether something has to be done at the site to bring p to its top.
func (s Stacks) Gap(p drivers.Property) bool {
	stack := s[p]
	if stack == nil {
		return false
	}
	if p.Name != drivers.Presence && s.IsMade(p) {
		if len(stack.Layers) == 0 || !s.Exists(p) && !s.shallExist(p) {
			return false
		}
	}
	if stack.Uncertain() {
		return true
	}
	top := stack.Top()
	if stack.Stands == nil {
		// Nothing was ever done here: whatever is found is what "as found" asks for.
		return !top.Found
	}
	wanted, known := s.Resolve(p, top)
	return !known || !satisfied(wanted, *stack.Stands)
}

func (s Stacks) shallExist(p drivers.Property) bool {
	wanted, known := s.Wanted(p.On(drivers.Presence, ""))
	return known && wanted.Text == drivers.Present
}

// Begin records the intent of a change: found, what was observed just before (nil where
// the stack knows already what stands), and the goal as a value.
func (s Stacks) Begin(p drivers.Property, found *drivers.Value, goal drivers.Value) {
	stack := s[p]
	if stack == nil {
		stack = &Stack{}
		s[p] = stack
	}
	if stack.Stands == nil && found != nil {
		stack.Stands = found
	}
	if stack.Found == nil && found != nil && (p.Name == drivers.Presence || !s.IsMade(p)) {
		stack.Found = found
	}
	stack.begin(goal)
}

// Finish records that a change is done and what stands now.
func (s Stacks) Finish(p drivers.Property, stands drivers.Value) {
	stack := s[p]
	if stack == nil {
		return
	}
	if stack.Uncertain() {
		goal := stack.InFlight[len(stack.InFlight)-1]
		if goal.Rest != nil && goal.Text == stands.Text {
			stands.Rest = goal.Rest // the driver holds the two for equal
		}
		if stands.Spec == nil {
			stands.Spec = goal.Spec
		}
	}
	s.Observed(p, stands)
}

// Observed records what a person, or a look at the site, says that stands.
func (s Stacks) Observed(p drivers.Property, stands drivers.Value) {
	stack := s[p]
	if stack == nil {
		return
	}
	stack.Stands, stack.InFlight = &stands, nil
	s.forget(p)
}

// Gone records that the property's target is not there any more, whoever took it away. A
// stack that nobody has a layer on has nothing left to bring about, and ends.
func (s Stacks) Gone(p drivers.Property) {
	if stack := s[p]; stack != nil && len(stack.Layers) == 0 {
		delete(s, p)
	}
}

// forget removes a stack that nobody wants anything of and that the site agrees with.
func (s Stacks) forget(p drivers.Property) {
	stack := s[p]
	if stack == nil || len(stack.Layers) > 0 || s.Gap(p) {
		return
	}
	if p.Name != drivers.Presence && s.IsMade(p) && s.Exists(p) {
		return // what stands on it is still needed to take the target away
	}
	delete(s, p)
	if p.Name == drivers.Presence {
		for _, other := range s.OfTarget(p) {
			delete(s, other)
		}
	}
}

// Accept makes a plan's change of layers: it takes out, and then writes.
func (s Stacks) Accept(p *Plan) {
	for _, drop := range p.Drops {
		s.Drop(drop.Property, drop.Holder)
	}
	for _, put := range p.Puts {
		s.Put(put.Property, put.Layer)
	}
}

// SortProperties sorts by cluster, kind, target, name and slot.
func SortProperties(all []drivers.Property) {
	slices.SortFunc(all, CompareProperties)
}

// CompareProperties orders by cluster, kind, target, name and slot.
func CompareProperties(a, b drivers.Property) int {
	for _, c := range []int{
		strings.Compare(a.Cluster, b.Cluster),
		strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(a.Target, b.Target),
		strings.Compare(string(a.Name), string(b.Name)),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.Slot, b.Slot)
}
