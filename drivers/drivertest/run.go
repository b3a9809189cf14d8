package drivertest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// suite is one run over one rig.
type suite struct {
	Rig
	can   drivers.Description
	table table
	// prefix makes the ids and names of this run its own: a real site may still know
	// those of the last one.
	prefix string
	serial atomic.Int64
	// silent says why the rest is not tried: each of its calls would take CallTimeout.
	silent string
}

// Run runs the whole suite, and prints at its end what was tried, property by property,
// and what was skipped and why.
func Run(t *testing.T, rig Rig) {
	t.Helper()
	s := &suite{Rig: rig.withDefaults(), prefix: fmt.Sprintf("t%d-%d", os.Getpid(), time.Now().UnixNano()%1_000_000)}
	d, err := s.Driver.Describe(t.Context())
	if err != nil {
		t.Fatalf("describe: %v", err)
	}
	s.can = d
	defer func() { t.Log("\n" + s.table.String()) }()

	s.general(t)
	for _, scene := range s.scenes() {
		t.Run(scene.name, func(t *testing.T) { s.play(t, scene) })
	}
	s.powerChecks(t)
	s.refusals(t)
}

// check runs one check of one row of the table and notes how it went. The check skips by
// calling skip.
func (s *suite) check(t *testing.T, row, name string, f func(t *testing.T)) {
	t.Helper()
	if s.silent != "" {
		s.table.note(row, name, skipped, s.silent)
		return
	}
	reason, start := "", time.Now()
	ok := t.Run(name, func(t *testing.T) {
		t.Helper()
		defer func() {
			if r := recover(); r != nil {
				skipped, isSkip := r.(skipReason)
				if !isSkip {
					panic(r)
				}
				reason = string(skipped)
			}
			if reason != "" && !t.Failed() {
				t.Skip(reason)
			}
		}()
		f(t)
	})
	switch {
	case !ok:
		s.table.note(row, name, failed, "")
		if time.Since(start) >= s.CallTimeout {
			s.silent = fmt.Sprintf("a call timed out in %q of %s", name, row)
			t.Errorf("the rest of the suite is not tried: %s", s.silent)
		}
	case reason != "":
		s.table.note(row, name, skipped, reason)
	default:
		s.table.note(row, name, passed, "")
	}
}

// skipReason is thrown by skip and caught by check, which alone knows the table's row.
type skipReason string

func skip(reason string) { panic(skipReason(reason)) }

// need skips the check where a field of the rig is empty.
func need(what string, given bool) {
	if !given {
		skip("the rig has no " + what)
	}
}

// needs skips where the driver does not offer a property.
func (s *suite) needs(kind drivers.Kind, name drivers.Name) {
	if !s.can.Can(kind, name) {
		skip(fmt.Sprintf("the driver does not offer the %s of a %s", name, kind))
	}
}

func (s *suite) id() string { return fmt.Sprintf("%s-%d", s.prefix, s.serial.Add(1)) }

func (s *suite) owner() drivers.Owner {
	return drivers.Owner{Site: s.Site, Holder: s.prefix}
}

func (s *suite) property(kind drivers.Kind, target string, name drivers.Name, slot string) drivers.Property {
	return drivers.Property{Cluster: s.Cluster, Kind: kind, Target: target, Name: name, Slot: slot}
}

// change gives a change that expects what is given, and may cut a guest off.
func (s *suite) change(p drivers.Property, goal drivers.Value, expected ...drivers.Value) drivers.Change {
	return drivers.Change{Property: p, ID: s.id(), Goal: goal, Expected: expected, Force: true, Owner: s.owner()}
}

func (s *suite) context(t *testing.T) (context.Context, context.CancelFunc) {
	// Not the test's own: what is made must be unmade after the test has failed, too.
	return context.WithTimeout(context.WithoutCancel(t.Context()), s.CallTimeout)
}

func (s *suite) observe(t *testing.T, p drivers.Property) drivers.Value {
	t.Helper()
	ctx, cancel := s.context(t)
	defer cancel()
	for {
		v, err := s.Driver.Observe(ctx, p)
		if err == nil {
			return v
		}
		if !again(ctx, err) {
			t.Fatalf("observe %s: %v", p, err)
		}
	}
}

// try applies a change once.
func (s *suite) try(t *testing.T, c drivers.Change) (drivers.Value, error) {
	ctx, cancel := s.context(t)
	defer cancel()
	return s.Driver.Apply(ctx, c, nil)
}

// apply applies a change as the executor does: again where the error says so.
func (s *suite) apply(t *testing.T, c drivers.Change) drivers.Value {
	t.Helper()
	ctx, cancel := s.context(t)
	defer cancel()
	for {
		v, err := s.Driver.Apply(ctx, c, nil)
		if err == nil {
			return v
		}
		if !again(ctx, err) {
			t.Fatalf("set %s to %q: %v (%s)", c.Property, c.Goal.Text, err, drivers.KindOf(err))
		}
	}
}

// again waits a moment where an error says that trying again may help.
func again(ctx context.Context, err error) bool {
	if r := drivers.KindOf(err).Reaction(); r != drivers.Retry && r != drivers.Wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// wantKind demands that an error is of a kind.
func wantKind(t *testing.T, err error, kinds ...drivers.ErrorKind) {
	t.Helper()
	for _, k := range kinds {
		if err != nil && drivers.KindOf(err) == k {
			return
		}
	}
	t.Fatalf("want an error of kind %v, got %q: %v", kinds, drivers.KindOf(err), err)
}
