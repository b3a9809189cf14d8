package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
)

func TestFaults(t *testing.T) {
	nic := vmProperty("group-01-vm-01", drivers.NIC, "nic0")
	for name, test := range map[string]struct {
		fault   sim.Fault
		network string // afterwards
		kind    drivers.ErrorKind
		took    time.Duration
	}{
		"fail before":             {sim.Fault{Mode: sim.FailBefore}, "prod", drivers.Unavailable, 0},
		"fail before, as refused": {sim.Fault{Mode: sim.FailBefore, Kind: drivers.Refused}, "prod", drivers.Refused, 0},
		"fail after":              {sim.Fault{Mode: sim.FailAfter}, "isolated-01", drivers.Unavailable, time.Second},
		"slow":                    {sim.Fault{Mode: sim.Slow, Delay: time.Minute}, "isolated-01", "", time.Minute + time.Second},
		"hang":                    {sim.Fault{Mode: sim.Hang}, "prod", drivers.Unavailable, time.Hour},
		"another property":        {sim.Fault{Mode: sim.FailBefore, Property: drivers.Property{Name: drivers.Disk}}, "isolated-01", "", time.Second},
		"another goal":            {sim.Fault{Mode: sim.FailBefore, Goal: "prod"}, "isolated-01", "", time.Second},
		"skipped":                 {sim.Fault{Mode: sim.FailBefore, Skip: 1}, "isolated-01", "", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := small(sim.Latency{NIC: time.Second})
				r := newRig(t, site)
				site.AddFault(test.fault)
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				start := time.Now()
				_, err := r.Apply(ctx, r.change(nic, text("isolated-01")), nil)
				if kind := drivers.KindOf(err); kind != test.kind {
					t.Errorf("want %q, got %q: %v", test.kind, kind, err)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v", took)
				}
				if vm, _ := site.VM("group-01-vm-01"); vm.NICs["nic0"].Network != test.network {
					t.Errorf("it is on %s", vm.NICs["nic0"].Network)
				}
			})
		})
	}
}

func TestAHookMayFailACall(t *testing.T) {
	site := small(sim.Latency{})
	r := newRig(t, site)
	mine := &drivers.Error{Kind: drivers.Busy, Op: "set", Object: "it", Cause: errors.New("mine")}
	site.SetFaultHook(func(op string, p drivers.Property, _ drivers.Value) error {
		if op == sim.OpApply && p.Name == drivers.NIC {
			return mine
		}
		return nil
	})
	r.refuses(drivers.Busy, vmProperty("group-01-vm-01", drivers.NIC, "nic0"), text("isolated-01"))
	site.ClearFaults()
	r.set(vmProperty("group-01-vm-01", drivers.NIC, "nic0"), text("isolated-01"))
}

func TestASiteThatIsDownIsNoEmptySite(t *testing.T) {
	site := small(sim.Latency{})
	r := newRig(t, site)
	list := func() error {
		return r.Inventory(context.Background(), drivers.InventoryRequest{}, func(drivers.Item) error { return nil })
	}
	site.SetUnlisted(true)
	if err := list(); drivers.KindOf(err) != drivers.Unavailable {
		t.Fatal(err)
	}
	site.SetUnlisted(false)
	site.SetDown("the power failed")
	if err := list(); drivers.KindOf(err) != drivers.Unavailable || !strings.Contains(err.Error(), "the power failed") {
		t.Fatal(err)
	}
	site.SetDown("")
	if err := list(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatNoPlanMayDoIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := sim.NewSite(sim.Shape{Hosts: 1, Latency: sim.Latency{PowerOn: time.Second}, Limits: []drivers.Limit{
			{Kind: drivers.VM, Name: drivers.Power, PerCluster: 1},
		}})
		twin := map[string]sim.NIC{"nic0": {Network: "prod", MAC: "02:00:00:00:00:01"}}
		site.AddVM(sim.VM{Name: "a", Host: "host-01", NICs: twin})
		site.AddVM(sim.VM{Name: "b", Host: "host-01", NICs: twin})
		r := newRig(t, site)
		done := make(chan error)
		for _, name := range []string{"a", "b"} {
			c := r.change(vmProperty(name, drivers.Power, ""), text(drivers.On))
			go func() { _, err := r.Apply(context.Background(), c, nil); done <- err }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		noted := strings.Join(site.Violations(), "\n")
		if !strings.Contains(noted, "two VMs that are on have MAC") || !strings.Contains(noted, "2 changes of vm power in flight") {
			t.Fatal(noted)
		}
		if n := site.MostInFlight(drivers.VM, drivers.Power, "host-01"); n != 2 {
			t.Fatal(n)
		}
		if calls := site.Calls(); len(calls) != 2 || calls[0].End.Sub(calls[0].Start) != time.Second {
			t.Fatal(calls)
		}
	})
}

func TestAGuestIsReadyWhenItHasBooted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := sim.NewSite(sim.Shape{Hosts: 1, Latency: sim.Latency{PowerOn: time.Second, Boot: time.Minute}})
		site.AddVM(sim.VM{Name: "a", Host: "host-01"})
		newRig(t, site).set(vmProperty("a", drivers.Power, ""), text(drivers.On))
		if site.GuestReady("a") {
			t.Fatal("ready at once")
		}
		time.Sleep(time.Minute)
		if !site.GuestReady("a") {
			t.Fatal("not ready after a minute")
		}
	})
}

func TestConfigureNamesTheAttribute(t *testing.T) {
	for name, test := range map[string]struct{ body, attribute string }{
		"unknown":        {`{"colour":"blue"}`, "colour"},
		"another type":   {`{"hosts":"many"}`, "hosts"},
		"out of range":   {`{"hosts":-1}`, "hosts"},
		"file in memory": {`{"file":"/x"}`, "file"},
		"password":       {`{"password":"wrong"}`, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			site := small(sim.Latency{})
			site.SetPassword("right")
			err := sim.New(site).Configure(context.Background(), drivers.Configuration{Site: "brno", Cluster: "c1", Body: json.RawMessage(test.body)})
			var e *drivers.Error
			if !errors.As(err, &e) || e.Kind != drivers.Invalid || e.Attribute != test.attribute {
				t.Fatalf("%+v", err)
			}
			if strings.Contains(err.Error(), "right") {
				t.Fatal("the error tells the password")
			}
		})
	}
}

// A site in a file is the same site for everybody who opens it.
func TestASiteInAFile(t *testing.T) {
	path := t.TempDir() + "/site.json"
	one, err := sim.OpenShaped(path, sim.Shape{Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	two, err := sim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	newRig(t, one).set(vmProperty("group-01-vm-01", drivers.NIC, "nic0"), text("isolated-01"))
	if one.Dump() != two.Dump() || !strings.Contains(two.Dump(), "nic nic0 isolated-01") {
		t.Fatal(two.Dump())
	}
}
