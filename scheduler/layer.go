package scheduler

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
)

// Holder is whoever a layer belongs to: a workspace ("ws-7"), or a run for one
// protection group ("r-12.payments"). It is also the owner mark on what is made for it.
type Holder string

// RunHolder names the holder of a run's layers for one group.
func RunHolder(run, group string) Holder { return Holder(run + "." + group) }

// Goal is what a layer wants: exactly one of its fields is set.
type Goal struct {
	Value *drivers.Value `json:"value,omitempty"` // this value
	Found bool           `json:"found,omitempty"` // the value found
	Made  *Made          `json:"made,omitempty"`  // what another property's change made
}

// Made names something that does not exist before a change of another property made it:
// an entry of [drivers.Value.Made] of the value that stands there.
type Made struct {
	By  drivers.Property `json:"by"`
	Key string           `json:"key"`
}

// Literal is the goal of a value that has only a text.
func Literal(text string) Goal { return Goal{Value: &drivers.Value{Text: text}} }

// FoundGoal is the goal of the value found.
var FoundGoal = Goal{Found: true}

// MadeBy is the goal of what the change of another property made.
func MadeBy(by drivers.Property, key string) Goal { return Goal{Made: &Made{By: by, Key: key}} }

// same reports whether two goals are one text, without anything to be made for it.
func (g Goal) same(other Goal) bool {
	return g.Value != nil && other.Value != nil && g.Value.Text == other.Value.Text && g.Value.Spec == nil && other.Value.Spec == nil
}

// Text gives the goal for people.
func (g Goal) Text() string {
	switch {
	case g.Value != nil:
		return g.Value.Text
	case g.Made != nil:
		return fmt.Sprintf("%s of %s", g.Made.Key, g.Made.By.Target)
	default:
		return "as found"
	}
}

// Layer is one holder's goal for one property.
type Layer struct {
	Holder Holder `json:"holder"`
	Goal   Goal   `json:"goal"`
}

// Stack is what is wanted of one property, by whom, and what stands at the site.
type Stack struct {
	// Found is the bottom. It is recorded with the first intent on the property, and
	// never read anew while the stack lives. It stays nil for a property of a target
	// that a holder made.
	Found *drivers.Value `json:"found,omitempty"`
	// Layers, oldest first; at most one for each holder.
	Layers []Layer `json:"layers,omitempty"`
	// Stands is what our last finished change, or our first look, left at the site; nil
	// before.
	Stands *drivers.Value `json:"stands,omitempty"`
	// InFlight are the goals of changes that began and whose end is not known, oldest
	// first: any of them, or Stands, may be at the site. More than one after a change was
	// cut off, and the one that was to mend it too.
	InFlight []drivers.Value `json:"inFlight,omitempty"`
}

// Clone returns a copy that shares no slice with s. Values are shared: they are never
// changed in place.
func (s *Stack) Clone() *Stack {
	c := *s
	c.Layers = slices.Clone(s.Layers)
	c.InFlight = slices.Clone(s.InFlight)
	return &c
}

// Top is what is wanted now: the newest layer's goal, and the value found where no layer
// is left.
func (s *Stack) Top() Goal {
	if n := len(s.Layers); n > 0 {
		return s.Layers[n-1].Goal
	}
	return FoundGoal
}

// Of gives the holder's layer, nil where it has none.
func (s *Stack) Of(h Holder) *Layer {
	for i := range s.Layers {
		if s.Layers[i].Holder == h {
			return &s.Layers[i]
		}
	}
	return nil
}

// Expected lists the values that a change may find at the site; empty before the first
// look.
func (s *Stack) Expected() []drivers.Value {
	var values []drivers.Value
	if s.Stands != nil {
		values = append(values, *s.Stands)
	}
	return append(values, s.InFlight...)
}

// Uncertain reports whether a change began and its end is not known.
func (s *Stack) Uncertain() bool { return len(s.InFlight) > 0 }

// MayBe reports whether this text may stand at the site, as far as is known.
func (s *Stack) MayBe(text string) bool {
	if s.Stands != nil && s.Stands.Text == text {
		return true
	}
	for i := range s.InFlight {
		if s.InFlight[i].Text == text {
			return true
		}
	}
	return false
}

// begin adds a goal to those in flight, once.
func (s *Stack) begin(goal drivers.Value) {
	s.InFlight = slices.DeleteFunc(s.InFlight, func(v drivers.Value) bool {
		return v.Text == goal.Text && bytes.Equal(v.Rest, goal.Rest)
	})
	s.InFlight = append(s.InFlight, goal)
}

// satisfied reports whether what stands is what the goal asks for, as far as the caller
// of a driver can tell: the text, what a promotion is named, and the driver's rest where
// the goal has one. Whether two values mean the same to the hypervisor only the driver
// knows; a step too many costs one call that finds it "already so".
func satisfied(goal, stands drivers.Value) bool {
	if spec := goal.Spec; spec != nil && spec.Replica != nil {
		if stands.Spec == nil || stands.Spec.Replica == nil || stands.Spec.Replica.As != spec.Replica.As {
			return false
		}
	}
	return goal.Text == stands.Text && (goal.Rest == nil || bytes.Equal(goal.Rest, stands.Rest))
}
