package drivertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// play runs every check of a scene, each from a fresh stage.
func (s *suite) play(t *testing.T, sc scene) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, st stage)
	}{
		{"there and back", s.thereAndBack}, {"twice", s.twice}, {"in parallel", s.parallel},
		{"cut off, again, back", s.cutOffAgain}, {"cut off, back", s.cutOffBack},
		{"not expected", s.notExpected}, {"drift", s.drift}, {"expired session", s.expired},
		{"context over", s.contextOver}, {"cancelled on the way", s.cancelled}, {"wrong goal", s.wrongGoal},
	} {
		s.check(t, sc.name, c.name, func(t *testing.T) {
			st := sc.set(t)
			if st.left != nil {
				t.Cleanup(func() { st.left(t) })
			}
			before := s.look(t, st)
			found := s.observe(t, st.property)
			if found.Text == st.goal.Text {
				t.Fatalf("the rig is wrong: %s is %q already, and the checks would prove nothing", st.property, found.Text)
			}
			t.Cleanup(func() {
				if t.Failed() { // leave a site that the next check can use
					s.apply(t, s.change(st.property, st.back(found)))
				}
			})
			c.run(t, st)
			s.apply(t, s.change(st.property, st.back(found)))
			sameSite(t, before, s.look(t, st))
		})
	}
}

// thereAndBack: the goal stands afterwards, nothing else of the target has changed, and
// the way back leads to the value found.
func (s *suite) thereAndBack(t *testing.T, st stage) {
	found := s.observe(t, st.property)
	others := map[drivers.Property]string{}
	for _, p := range s.around(t, st.property) {
		if p != st.property && st.property.Name != drivers.Presence {
			others[p] = text(s.observe(t, p), false)
		}
	}
	got := s.apply(t, s.change(st.property, st.goal, found))
	now := s.observe(t, st.property)
	if now.Text != st.goal.Text || text(now, false) != text(got, false) {
		t.Fatalf("set to %q, apply returned %s, observed is %s", st.goal.Text, text(got, false), text(now, false))
	}
	for p, was := range others {
		moved := p.Name == drivers.HostOf && s.can.MovesVMs
		if is := text(s.observe(t, p), false); is != was && !moved {
			t.Errorf("setting %s changed %s from %s to %s", st.property, p, was, is)
		}
	}
	back := s.apply(t, s.change(st.property, st.back(found), now))
	if text(back, st.looseMade) != text(found, st.looseMade) {
		t.Fatalf("found %s, put back %s", text(found, false), text(back, false))
	}
}

// twice: a change that is applied again, and another one with the same goal, find that it
// stands.
func (s *suite) twice(t *testing.T, st stage) {
	c := s.change(st.property, st.goal, s.observe(t, st.property))
	first := s.apply(t, c)
	second := s.apply(t, c)
	c.ID = s.id()
	third := s.apply(t, c)
	exact := s.apply(t, s.change(st.property, drivers.Value{Text: first.Text, Spec: st.goal.Spec, Rest: first.Rest}))
	for _, v := range []drivers.Value{second, third, exact} {
		if text(v, false) != text(first, false) {
			t.Fatalf("first %s, again %s", text(first, false), text(v, false))
		}
	}
}

// parallel: eight callers apply one change at once, and all find the goal.
func (s *suite) parallel(t *testing.T, st stage) {
	c := s.change(st.property, st.goal, s.observe(t, st.property))
	type result struct {
		value drivers.Value
		err   error
	}
	results := make(chan result)
	const callers = 8
	for range callers {
		go func() {
			ctx, cancel := s.context(t)
			defer cancel()
			for {
				v, err := s.Driver.Apply(ctx, c, nil)
				if err == nil || !again(ctx, err) {
					results <- result{v, err}
					return
				}
			}
		}()
	}
	seen := map[string]bool{}
	for range callers {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		seen[text(r.value, false)] = true
	}
	if len(seen) != 1 {
		t.Fatalf("the callers got %d different values: %v", len(seen), seen)
	}
}

// cut applies a change that is cut off on the way.
func (s *suite) cut(t *testing.T, st stage, c drivers.Change, found drivers.Value) {
	t.Helper()
	switch {
	case s.CutOff != nil:
		s.CutOff(t, c)
		_, err := s.try(t, c)
		wantKind(t, err, drivers.Unavailable)
	case s.Kill != nil:
		start := time.Now()
		s.apply(t, c)
		took := time.Since(start)
		undo := func() {
			s.apply(t, s.change(c.Property, st.back(found), found, c.Goal))
			if st.left != nil {
				st.left(t)
			}
		}
		undo()
		for eighth := range 8 {
			done := make(chan struct{})
			go func() { defer close(done); _, _ = s.try(t, c) }() // either outcome will do
			<-time.After(took * time.Duration(eighth) / 8)
			s.Kill(t)
			<-done
			if eighth < 7 {
				undo()
				c.ID = s.id()
			}
		}
	default:
		skip("the rig cannot cut a change off (in process there is nothing to kill)")
	}
}

// cutOffAgain: the same change completes what it began.
func (s *suite) cutOffAgain(t *testing.T, st stage) {
	found := s.observe(t, st.property)
	c := s.change(st.property, st.goal, found)
	s.cut(t, st, c, found)
	got := s.apply(t, c)
	if now := s.observe(t, st.property); now.Text != st.goal.Text || text(now, false) != text(got, false) {
		t.Fatalf("apply returned %s, observed is %s", text(got, false), text(now, false))
	}
}

// cutOffBack: the inverse takes a half-made change back, knowing of both ends.
func (s *suite) cutOffBack(t *testing.T, st stage) {
	found := s.observe(t, st.property)
	s.cut(t, st, s.change(st.property, st.goal, found), found)
	back := s.apply(t, s.change(st.property, st.back(found), found, st.goal))
	if text(back, st.looseMade) != text(found, st.looseMade) {
		t.Fatalf("found %s, put back %s", text(found, false), text(back, false))
	}
}

// notExpected: a value that is neither expected nor the goal is refused, told, and left.
func (s *suite) notExpected(t *testing.T, st stage) {
	found := s.observe(t, st.property)
	if st.property.Name == drivers.HostOf && s.can.MovesVMs {
		skip("the hypervisor moves VMs itself: a host is never drift")
	}
	other := drivers.Value{Text: "neither"}
	_, err := s.try(t, s.change(st.property, st.goal, other))
	s.wantDrift(t, err, found, st)
}

func (s *suite) wantDrift(t *testing.T, err error, found drivers.Value, st stage) {
	t.Helper()
	wantKind(t, err, drivers.Drift)
	var e *drivers.Error
	if !errors.As(err, &e) || e.Found == nil || text(*e.Found, st.looseMade) != text(found, st.looseMade) {
		t.Fatalf("the error does not hold the value found, %s: %+v", text(found, false), e)
	}
	if now := s.observe(t, st.property); text(now, false) != text(found, false) {
		t.Fatalf("refused, and changed all the same: before %s, after %s", text(found, false), text(now, false))
	}
}

// drift: a value that somebody else set is refused, told, and left.
func (s *suite) drift(t *testing.T, st stage) {
	need("way to make drift", s.Drift != nil)
	if st.property.Name == drivers.HostOf && s.can.MovesVMs {
		skip("the hypervisor moves VMs itself: a host is never drift")
	}
	expected := s.observe(t, st.property)
	putBack := s.Drift(t, st.property)
	if putBack == nil {
		skip("the rig makes no drift of this property")
	}
	defer putBack()
	found := s.observe(t, st.property)
	if text(found, false) == text(expected, false) {
		t.Fatalf("the rig's Drift changed nothing that observe shows: %s", text(found, false))
	}
	_, err := s.try(t, s.change(st.property, st.goal, expected))
	s.wantDrift(t, err, found, st)
}

// expired: a session that has expired is renewed without the caller noticing, and never
// shows a site with nothing in it.
func (s *suite) expired(t *testing.T, st stage) {
	need("way to expire the session", s.ExpireSession != nil)
	all := len(s.items(t))
	s.ExpireSession(t)
	s.observe(t, st.property)
	s.ExpireSession(t)
	if n := len(s.items(t)); n != all {
		t.Fatalf("the inventory had %d items, and %d after the session expired", all, n)
	}
	s.ExpireSession(t)
	s.apply(t, s.change(st.property, st.goal))
}

// promptly is how soon a call returns after its context has ended.
const promptly = 5 * time.Second

// contextOver: a call whose context has ended changes nothing.
func (s *suite) contextOver(t *testing.T, st stage) {
	before := s.observe(t, st.property)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	if _, err := s.Driver.Apply(over, s.change(st.property, st.goal), nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("apply: want the context's error, got %v", err)
	}
	if _, err := s.Driver.Observe(over, st.property); !errors.Is(err, context.Canceled) {
		t.Fatalf("observe: want the context's error, got %v", err)
	}
	if took := time.Since(start); took > promptly {
		t.Fatalf("took %v", took)
	}
	if now := s.observe(t, st.property); text(now, false) != text(before, false) {
		t.Fatalf("before %s, after %s", text(before, false), text(now, false))
	}
}

// cancelled: a call returns promptly when its context ends on the way, and the inverse
// puts right what it left.
func (s *suite) cancelled(t *testing.T, st stage) {
	found := s.observe(t, st.property)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Driver.Apply(ctx, s.change(st.property, st.goal, found), func(drivers.Progress) { cancel() })
		done <- err
	}()
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond): // it may tell no progress, or be over already
	case err := <-done:
		done <- err
	}
	cancel()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("want the context's error or none, got %v", err)
		}
	case <-time.After(promptly):
		t.Fatalf("did not return within %v", promptly)
	}
	s.apply(t, s.change(st.property, st.back(found), found, st.goal))
}

// wrongGoal: a goal that the property cannot have is refused, and changes nothing.
func (s *suite) wrongGoal(t *testing.T, st stage) {
	before := s.observe(t, st.property)
	_, err := s.try(t, s.change(st.property, drivers.Value{}))
	wantKind(t, err, drivers.Invalid)
	_, err = s.try(t, s.change(st.property, drivers.Value{Text: "no-such-value-" + s.prefix}))
	wantKind(t, err, drivers.Invalid, drivers.NotFound)
	if now := s.observe(t, st.property); text(now, false) != text(before, false) {
		t.Fatalf("before %s, after %s", text(before, false), text(now, false))
	}
	var e *drivers.Error
	if errors.As(err, &e) && (e.Op == "" || e.Object == "" || e.Cause == nil || strings.TrimSpace(e.Cause.Error()) == "") {
		t.Fatalf("an error names operation, object and cause: %+v", e)
	}
}
