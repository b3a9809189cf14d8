package sim

import (
	"errors"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// FaultMode is how a call goes wrong.
type FaultMode string

// The ways in which a call goes wrong.
const (
	// FailBefore: the call fails and nothing changed.
	FailBefore FaultMode = "fail-before"
	// FailAfter: the change is made, and the call fails all the same.
	FailAfter FaultMode = "fail-after"
	// FailHalfway: the call fails and leaves the half-made state; a power change that
	// began goes on and lands when it is due.
	FailHalfway FaultMode = "fail-halfway"
	// Slow: the call takes Delay longer, before it does anything.
	Slow FaultMode = "slow"
	// Hang: the call does nothing and returns only when its context ends.
	Hang FaultMode = "hang"
	// Panic: the driver panics when the change is half-made.
	Panic FaultMode = "panic"
	// KillProcess: the process gets SIGKILL when the change is half-made. Only a driver
	// that was made by [NewProcess] obeys; any other fails as with FailHalfway.
	KillProcess FaultMode = "kill-process"
)

// The operations that a [Fault] can meet.
const (
	OpApply     = "apply"
	OpObserve   = "observe"
	OpInventory = "inventory"
	OpConfigure = "configure"
)

// Fault is a rule for calls that go wrong. Fields that are empty match everything.
type Fault struct {
	Mode     FaultMode
	Op       string            // empty: OpApply
	Property drivers.Property  // each field that is given must match
	Goal     string            // text of the goal, for OpApply
	Kind     drivers.ErrorKind // of the error; empty: Unavailable
	Message  string            // of the error's cause; empty: "injected fault"
	Delay    time.Duration     // for Slow
	Skip     int               // calls that match and pass first
	Times    int               // calls that go wrong; 0: all
}

// FaultHook is asked before each call of Observe, Inventory and Apply; an error that it
// returns is the call's. It serves where a [Fault] is not enough, in this process only.
type FaultHook func(op string, p drivers.Property, goal drivers.Value) error

// AddFault adds a rule. The first rule that matches a call is the one that meets it.
func (s *Site) AddFault(f Fault) {
	s.must("add fault", func(st *state) error { st.Faults = append(st.Faults, &f); return nil })
}

// ClearFaults removes all rules, and the hook.
func (s *Site) ClearFaults() {
	s.must("clear faults", func(st *state) error { st.Faults, s.hook = nil, nil; return nil })
}

// SetFaultHook sets the function that is asked before each call; nil: none.
func (s *Site) SetFaultHook(h FaultHook) {
	s.must("set fault hook", func(*state) error { s.hook = h; return nil })
}

// fault gives the rule that meets a call, or nil, and counts it.
func (s *Site) fault(op string, p drivers.Property, goal drivers.Value) (*Fault, error) {
	var met *Fault
	var hook FaultHook
	faults := false
	if err := s.read(func(st *state) error { faults, hook = len(st.Faults) > 0, s.hook; return nil }); err != nil {
		return nil, err
	}
	if hook != nil {
		if err := hook(op, p, goal); err != nil {
			return nil, err
		}
	}
	if !faults {
		return nil, nil
	}
	err := s.change(func(st *state) error {
		for i, f := range st.Faults {
			if !f.matches(op, p, goal) {
				continue
			}
			if f.Skip > 0 {
				f.Skip--
				return nil
			}
			copied := *f
			met = &copied
			if f.Times == 1 {
				st.Faults = append(st.Faults[:i:i], st.Faults[i+1:]...)
			} else if f.Times > 1 {
				f.Times--
			}
			return nil
		}
		return nil
	})
	return met, err
}

func (f *Fault) matches(op string, p drivers.Property, goal drivers.Value) bool {
	wantOp := f.Op
	if wantOp == "" {
		wantOp = OpApply
	}
	same := func(want, have string) bool { return want == "" || want == have }
	return wantOp == op && same(f.Property.Cluster, p.Cluster) && same(string(f.Property.Kind), string(p.Kind)) &&
		same(f.Property.Target, p.Target) && same(string(f.Property.Name), string(p.Name)) &&
		same(f.Property.Slot, p.Slot) && same(f.Goal, goal.Text)
}

func (f *Fault) err(op, object string) error {
	kind, message := f.Kind, f.Message
	if kind == "" {
		kind = drivers.Unavailable
	}
	if message == "" {
		message = "injected fault"
	}
	return &drivers.Error{Kind: kind, Op: op, Object: object, Cause: errors.New(message)}
}
