package sim

import (
	"context"
	"errors"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// action is what Apply does to one property. Its methods run while the site is locked
// and take no time; between start and finish passes the time that start gives.
type action interface {
	// prepare ends what an earlier call left running on the target, as far as it can be
	// ended.
	prepare(*state)
	// observe reads what stands.
	observe(*state) (drivers.Value, error)
	// half gives the half-made state that lies there, or nil.
	half(*state) *Half
	// reached says whether the goal stands.
	reached(st *state, have drivers.Value) bool
	// start refuses what a hypervisor refuses, and leaves the change half-made.
	start(st *state, have drivers.Value, now time.Time) (time.Duration, error)
	// finish completes what start began.
	finish(st *state, now time.Time) error
}

// newAction gives the action for a change, whose goal is checked where it is to be
// applied.
func newAction(fail failure, config drivers.Configuration, c drivers.Change, apply bool) (action, error) {
	base := base{fail: fail, config: config, c: c}
	type key struct {
		kind drivers.Kind
		name drivers.Name
	}
	known := map[key]struct {
		act   action
		texts []string
	}{
		{drivers.VM, drivers.Presence}:        {&vmPresence{base}, []string{drivers.Absent, drivers.Present}},
		{drivers.VM, drivers.Power}:           {&power{base: base}, []string{drivers.Off, drivers.On, drivers.Suspended}},
		{drivers.VM, drivers.HostOf}:          {&hostOf{base}, nil},
		{drivers.VM, drivers.Disk}:            {&disk{base}, nil},
		{drivers.VM, drivers.NIC}:             {&nic{base}, nil},
		{drivers.Volume, drivers.Presence}:    {&volumePresence{base}, []string{drivers.Absent, drivers.Present}},
		{drivers.Datastore, drivers.Presence}: {&datastorePresence{base}, []string{drivers.Absent, drivers.Present}},
		{drivers.Replica, drivers.Role}:       {&replicaRole{base}, []string{drivers.Secondary, drivers.Primary}},
		{drivers.Callout, drivers.Done}:       {&calloutState{base}, []string{drivers.Undone, drivers.DoneText}},
	}
	k := known[key{c.Property.Kind, c.Property.Name}]
	if !apply {
		return k.act, nil
	}
	if c.Goal.Text == "" {
		return nil, fail.invalid("the goal is empty")
	}
	if k.texts == nil {
		return k.act, nil
	}
	for _, text := range k.texts {
		if text == c.Goal.Text {
			return k.act, nil
		}
	}
	return nil, fail.invalid("%s cannot be %q", c.Property.Label(), c.Goal.Text)
}

// base is what every action has.
type base struct {
	fail   failure
	config drivers.Configuration
	c      drivers.Change
}

func (b *base) reached(_ *state, have drivers.Value) bool { return matches(have, b.c.Goal) }

// prepare ends a power change that is under way on the VM. A guest that was asked to go
// down cannot be told to stay.
func (b *base) prepare(st *state) {
	if t := st.Tasks[b.c.Property.Target]; t != nil && b.c.Property.Kind == drivers.VM && !t.Asked {
		delete(st.Tasks, b.c.Property.Target)
	}
}

// mark makes the mark of a half-made state. One that lies there already began from a
// value that was whole, and so does the new one.
func (b *base) mark(lies *Half, from drivers.Value) *Half {
	if lies != nil {
		from = lies.From
	}
	to := b.c.Goal
	to.Spec = nil
	return &Half{Change: b.c.ID, From: from, To: to}
}

// vm gives the VM that the property is of.
func (b *base) vm(st *state) (*VM, error) {
	vm := st.VMs[b.c.Property.Target]
	if vm == nil {
		return nil, b.fail.notFound("", "there is no VM %s", b.c.Property.Target)
	}
	return vm, nil
}

// reachableHost refuses a VM whose host takes no orders.
func (b *base) reachableHost(st *state, vm *VM) error {
	if h := st.Hosts[vm.Host]; h == nil || h.Disconnected {
		return b.fail.refused("move the VM to another host, or bring the host back", "host %s of %s is disconnected", vm.Host, vm.Name)
	}
	return nil
}

// inTheWay refuses what has the goal's text and is another thing: as drift where the
// change does not expect it.
func (b *base) inTheWay(have drivers.Value, next, format string, args ...any) error {
	if len(b.c.Expected) > 0 && !matchesAny(have, b.c.Expected) {
		return b.fail.drift(have, format, args...)
	}
	return b.fail.refused(next, format, args...)
}

// ours says whether hotspare made it, at this site.
func (b *base) ours(o drivers.Owner) bool { return o.Site != "" && o.Site == b.config.Site }

// Apply makes the property's value the goal, as [drivers.Driver] says.
func (d *Driver) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (value drivers.Value, err error) {
	fail := failure{opOf(c), objectOf(c.Property)}
	site, act, err := d.begin(ctx, fail, OpApply, c.Property, c)
	if err != nil {
		return drivers.Value{}, err
	}
	if c.ID == "" {
		return drivers.Value{}, fail.invalid("the change has no id")
	}
	call := Call{Change: c, Start: time.Now()}
	if err := site.enter(&call); err != nil {
		return drivers.Value{}, fail.wrap(err, ctx.Err())
	}
	defer func() {
		call.End, call.Value, call.Err = time.Now(), value, err
		site.watch.leave(call)
	}()

	release, err := site.targets.take(ctx, string(c.Property.Kind)+" "+c.Property.Target)
	if err != nil {
		return drivers.Value{}, err
	}
	defer release()
	fault, err := d.meet(ctx, site, fail, OpApply, c.Property, c.Goal)
	if err != nil {
		return drivers.Value{}, err
	}
	value, err = d.set(ctx, site, act, fault, fail, c, progress)
	if err == nil && fault != nil {
		return drivers.Value{}, fault.err(fail.op, fail.object)
	}
	return value, fail.wrap(err, ctx.Err())
}

// enter counts a call, and notes those beyond the limits.
func (s *Site) enter(call *Call) error {
	var limits []drivers.Limit
	err := s.read(func(st *state) error {
		if vm := st.VMs[call.Change.Property.Target]; vm != nil && call.Change.Property.Kind == drivers.VM {
			call.Host = vm.Host
		}
		limits = st.Limits
		return nil
	})
	if err != nil {
		return err
	}
	beyond := s.watch.enter(call.Change.Property, call.Host, limits)
	if len(beyond) == 0 {
		return nil
	}
	return s.change(func(st *state) error {
		for _, v := range beyond {
			st.violate("%s", v)
		}
		return nil
	})
}

// set is one change from what stands to the goal.
func (d *Driver) set(ctx context.Context, site *Site, act action, fault *Fault, fail failure, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	var value drivers.Value
	var wait time.Duration
	done := false
	err := site.change(func(st *state) error {
		act.prepare(st)
		have, err := act.observe(st)
		if err != nil {
			return err
		}
		half := act.half(st)
		if half == nil && act.reached(st, have) {
			value, done = have, true
			return nil
		}
		moves := c.Property.Name == drivers.HostOf && st.MovesVMs // then a host is never drift
		if err := expected(fail, c, have, half); err != nil && !moves {
			return err
		}
		wait, err = act.start(st, have, time.Now())
		return err
	})
	if err != nil || done {
		return value, err
	}
	if err := d.halfway(fault, fail); err != nil {
		return value, err
	}
	if progress != nil && wait > 0 {
		progress(drivers.Progress{Message: fail.op})
	}
	if err := sleep(ctx, wait); err != nil {
		return value, err
	}
	err = site.change(func(st *state) error {
		if err := act.finish(st, time.Now()); err != nil {
			return err
		}
		have, err := act.observe(st)
		if err == nil && !act.reached(st, have) {
			return errors.New("the change was made and the goal does not stand: somebody else changed it again")
		}
		value = have
		return err
	})
	return value, err
}

// expected refuses, as drift, a value that the change does not allow for. A half-made
// state is allowed for by the change that left it, and by one that allows for both ends
// of it.
func expected(fail failure, c drivers.Change, have drivers.Value, half *Half) error {
	if len(c.Expected) == 0 {
		return nil
	}
	if half != nil {
		known := append([]drivers.Value{c.Goal}, c.Expected...)
		if half.Change == c.ID || matchesAny(half.From, known) && matchesAny(half.To, textOnly(known)) {
			return nil
		}
		return fail.drift(have, "it is half-made by change %s, which this change does not know of", half.Change)
	}
	if matchesAny(have, c.Expected) || matches(have, c.Goal) {
		return nil
	}
	return fail.drift(have, "found %q, which is neither expected nor the goal", have.Text)
}

// textOnly drops the rests: a half-made state has not yet the rest of its goal.
func textOnly(values []drivers.Value) []drivers.Value {
	out := make([]drivers.Value, len(values))
	for i, v := range values {
		out[i] = drivers.Value{Text: v.Text}
	}
	return out
}

func opOf(c drivers.Change) string {
	switch c.Property.Name {
	case drivers.Power:
		return "power " + c.Goal.Text
	case drivers.Presence:
		return "make " + c.Goal.Text
	default:
		return "set " + c.Property.Label() + " to " + c.Goal.Text + " of"
	}
}
