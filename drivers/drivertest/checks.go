package drivertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// general checks what is of no one property.
func (s *suite) general(t *testing.T) {
	t.Run("general", func(t *testing.T) {
		s.check(t, "general", "describe", s.describes)
		s.check(t, "general", "health", s.healthy)
		s.check(t, "general", "inventory", s.inventoryMatches)
		s.check(t, "general", "unreadable replicas", s.unreadableReplicas)
		s.check(t, "general", "unknown targets", s.unknownTargets)
		s.check(t, "general", "invalid properties", s.invalidProperties)
	})
}

func (s *suite) describes(t *testing.T) {
	if s.can.Contract != drivers.ContractVersion || s.can.Driver == "" || s.can.Version == "" {
		t.Errorf("driver %q, version %q, contract %d", s.can.Driver, s.can.Version, s.can.Contract)
	}
	for _, c := range s.can.Properties {
		slot := ""
		if c.Name == drivers.Disk || c.Name == drivers.NIC {
			slot = "slot"
		}
		if err := s.property(c.Kind, "target", c.Name, slot).Valid(); err != nil {
			t.Errorf("it offers what no target has: %v", err)
		}
	}
	for _, a := range s.can.Schema {
		if a.Name == "" || a.Type == "" || a.Help == "" {
			t.Errorf("attribute %+v has no name, type or help", a)
		}
	}
}

func (s *suite) healthy(t *testing.T) {
	ctx, cancel := s.context(t)
	defer cancel()
	seen := errors.New("seen")
	var health drivers.Health
	err := s.Driver.Health(ctx, func(h drivers.Health) error { health = h; return seen })
	if !errors.Is(err, seen) || !health.OK || health.At.IsZero() {
		t.Fatalf("%v, %+v", err, health)
	}
	over, stop := context.WithCancel(ctx)
	if err := s.Driver.Health(over, func(drivers.Health) error { stop(); return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("want the context's error, got %v", err)
	}
}

// inventoryMatches: what the inventory says of the rig's VM is what observe says.
func (s *suite) inventoryMatches(t *testing.T) {
	kinds := map[string]bool{}
	for _, i := range s.items(t) {
		kinds[name(i)] = true
	}
	if len(kinds) == 0 {
		t.Fatal("it lists nothing")
	}
	stop := errors.New("enough")
	ctx, cancel := s.context(t)
	defer cancel()
	if err := s.Driver.Inventory(ctx, drivers.InventoryRequest{}, func(drivers.Item) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("the caller's error does not come back: %v", err)
	}
	need("VM", s.VM != "")
	vm := s.find(t, s.VM)
	if vm == nil {
		t.Fatalf("it does not list VM %s", s.VM)
	}
	if !kinds["host "+vm.Host] {
		t.Errorf("it does not list host %s of %s", vm.Host, vm.Name)
	}
	listed := map[drivers.Property]string{}
	at := s.property(drivers.VM, s.VM, drivers.Presence, "")
	listed[at.On(drivers.Power, "")], listed[at.On(drivers.HostOf, "")] = vm.Power, vm.Host
	for slot, endpoint := range vm.Disks {
		listed[at.On(drivers.Disk, slot)] = endpoint
	}
	for slot, network := range vm.NICs {
		listed[at.On(drivers.NIC, slot)] = network
		if !kinds["network "+network] {
			t.Errorf("it does not list network %s of %s", network, vm.Name)
		}
	}
	for p, want := range listed {
		if s.can.Can(p.Kind, p.Name) {
			if have := s.observe(t, p).Text; have != want {
				t.Errorf("%s is %q in the inventory and %q observed", p, want, have)
			}
		}
	}
}

// unreadableReplicas: each is told with its problem, and takes nothing else with it.
func (s *suite) unreadableReplicas(t *testing.T) {
	need("replica", s.Replica != "" && s.can.Can(drivers.Replica, drivers.Role))
	request := drivers.InventoryRequest{Replicas: []string{"/no/such/" + s.prefix, s.Replica, s.Replica + "-" + s.prefix}}
	told, hosts := map[string]drivers.ReplicaItem{}, 0
	for _, i := range s.ask(t, request) {
		switch {
		case i.Replica != nil:
			told[i.Replica.Path] = *i.Replica
		case i.Host != nil:
			hosts++
		}
	}
	if hosts == 0 {
		t.Error("it lists no host")
	}
	for _, path := range request.Replicas {
		r, ok := told[path]
		read := r.Role != "" || len(r.RestorePoints) > 0
		switch {
		case !ok:
			t.Errorf("replica %s is left out", path)
		case path == s.Replica && (r.Problem != "" || !read):
			t.Errorf("replica %s can be read, and it tells %+v", path, r)
		case path != s.Replica && (r.Problem == "" || read):
			t.Errorf("replica %s does not exist, and it tells %+v", path, r)
		}
	}
}

func (s *suite) unknownTargets(t *testing.T) {
	ctx, cancel := s.context(t)
	defer cancel()
	for _, c := range s.can.Properties {
		p := s.property(c.Kind, "no-such-"+s.prefix, c.Name, "")
		switch {
		case c.Kind == drivers.VM:
			p.Target = newUUID(t)
		case c.Kind == drivers.Volume:
			p.Target += "/volume"
		}
		if c.Name == drivers.Disk || c.Name == drivers.NIC {
			p.Slot = "no-such-slot"
		}
		v, err := s.Driver.Observe(ctx, p)
		if c.Name == drivers.Presence && c.Kind != drivers.Datastore {
			if err != nil || v.Text != drivers.Absent {
				t.Errorf("observe %s: want absent, got %q, %v", p, v.Text, err)
			}
			continue
		}
		if c.Kind == drivers.Datastore && err == nil && v.Text == drivers.Absent {
			continue // it may be one that no host has mounted
		}
		if drivers.KindOf(err) != drivers.NotFound {
			t.Errorf("observe %s: want not-found, got %v", p, err)
		}
	}
}

func (s *suite) invalidProperties(t *testing.T) {
	ctx, cancel := s.context(t)
	defer cancel()
	id := newUUID(t)
	for _, p := range []drivers.Property{
		{},
		s.property(drivers.VM, id, "no-such-name", ""),
		s.property("no-such-kind", id, drivers.Power, ""),
		s.property(drivers.VM, id, drivers.Power, "slot"),
		s.property(drivers.VM, id, drivers.Disk, ""),
		s.property(drivers.VM, "", drivers.Power, ""),
		{Cluster: "not-" + s.Cluster, Kind: drivers.VM, Target: id, Name: drivers.Power},
	} {
		if _, err := s.Driver.Observe(ctx, p); drivers.KindOf(err) != drivers.Invalid {
			t.Errorf("observe %q: want invalid, got %v", p, err)
		}
		if _, err := s.Driver.Apply(ctx, s.change(p, drivers.Value{Text: drivers.Off}), nil); drivers.KindOf(err) != drivers.Invalid {
			t.Errorf("apply %q: want invalid, got %v", p, err)
		}
	}
}

// powerChecks is about guests that shut down, and guests that do not.
func (s *suite) powerChecks(t *testing.T) {
	off := func(grace time.Duration, force bool) drivers.Change {
		c := s.change(s.property(drivers.VM, s.PowerVM, drivers.Power, ""), drivers.Value{Text: drivers.Off})
		c.Grace, c.Force = grace, force
		return c
	}
	running := func(t *testing.T) drivers.Property {
		st := s.powerScene(t)
		found := s.observe(t, st.property)
		t.Cleanup(func() { s.apply(t, s.change(st.property, st.back(found))) })
		s.apply(t, s.change(st.property, st.goal))
		if s.Booted != nil {
			s.Booted(t, s.PowerVM)
		}
		return st.property
	}
	t.Run("guest", func(t *testing.T) {
		s.check(t, "vm power", "guest shuts down", func(t *testing.T) {
			need("guest that shuts down", s.Grace > 0)
			running(t)
			if v, err := s.try(t, off(s.Grace, false)); err != nil || v.Text != drivers.Off {
				t.Fatal(v, err)
			}
		})
		s.check(t, "vm power", "guest ignores shutdown", func(t *testing.T) {
			need("guest that ignores the request", s.IgnoreShutdown != nil)
			p := running(t)
			s.IgnoreShutdown(t, s.PowerVM, true)
			defer s.IgnoreShutdown(t, s.PowerVM, false)
			const grace = 500 * time.Millisecond
			start := time.Now()
			_, err := s.try(t, off(grace, false))
			wantKind(t, err, drivers.GraceOver)
			if took := time.Since(start); took < grace {
				t.Fatalf("gave up after %v, the grace is %v", took, grace)
			}
			if v := s.observe(t, p); v.Text != drivers.On {
				t.Fatalf("it is %s", v.Text)
			}
			if v, err := s.try(t, off(0, true)); err != nil || v.Text != drivers.Off {
				t.Fatal(v, err)
			}
		})
		s.check(t, "vm power", "not asked, not forced", func(t *testing.T) {
			p := running(t)
			_, err := s.try(t, off(0, false))
			wantKind(t, err, drivers.GraceOver)
			if v := s.observe(t, p); v.Text != drivers.On {
				t.Fatalf("it is %s", v.Text)
			}
		})
	})
}
