package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/cmd/hotspare/serve"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
	"github.com/hotspare/hotspare/scheduler/api"
)

// vcenter is the whole server on the simulated vCenter: that one and the driver in
// processes of their own, and between the two a gate that can be shut. An administrator's
// own client, which goes past gate and driver, bears witness.
type vcenter struct {
	*site
	log   *output
	gate  *gate
	pid   int // of the simulated vCenter
	admin *vim25.Client
	power *powers
}

// newVCenter starts the site with more added to its file, and a server for it.
func newVCenter(t *testing.T, more string) *vcenter {
	t.Helper()
	v := startVCenter(t)
	info, err := devsite.ReadInfo(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	v.pid = info.PID
	secret, err := devsite.ReadPassword(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	if v.admin, err = vim25.NewClient(t.Context(), soap.NewClient(u, true)); err != nil {
		t.Fatal(err)
	}
	if err := session.NewManager(v.admin).Login(t.Context(), url.UserPassword(info.Username, secret)); err != nil {
		t.Fatal(err)
	}
	v.gate = newGate(t, u.Host)
	text, err := os.ReadFile(filepath.Join(v.dir, "site.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	v.write("gated.hcl", strings.Replace(string(text), u.Host, v.gate.address, 1)+more)
	v.drivers = filepath.Dir(drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-vsphere"))
	v.client = api.NewClient(filepath.Join(v.dir, "hotspare.sock"))
	v.serve()
	return v
}

// startVCenter starts the simulated vCenter until the test ends.
func startVCenter(t *testing.T) *vcenter {
	t.Helper()
	dir, err := os.MkdirTemp("", "hs") // short: a unix socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.Command(drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-dev-vcenter"), "--dir", dir, "--scale", "fast")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT) // where a test failed while it was stopped
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "ready ") {
		t.Fatalf("the simulated vCenter says %q, %v", line, err)
	}
	return &vcenter{site: &site{T: t, dir: dir}, log: &output{}}
}

// serve runs a server until the test ends.
func (v *vcenter) serve() {
	v.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, v.options("gated.hcl", io.Discard, v.log)) }()
	v.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			v.Errorf("the server ends with: %v", err)
		}
		if v.Failed() {
			v.Logf("the server's log:\n%s", v.log)
		}
	})
	v.until("the server is ready", func() bool {
		all, err := v.client.Drivers(context.Background())
		return err == nil && all[0].State == "ready" && all[0].VMs > 0
	})
}

// gate is the way to a vCenter.
type gate struct {
	*testing.T
	address, to string

	mu       sync.Mutex
	listener net.Listener // nil: shut
	conns    map[net.Conn]bool
}

// newGate opens a gate until the test ends.
func newGate(t *testing.T, to string) *gate {
	g := &gate{T: t, address: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	g.open()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open() {
	g.Helper()
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		g.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener, g.address = l, l.Addr().String()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go g.carry(in)
		}
	}()
}

// shut refuses who comes, and cuts off who is there.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close()
	}
	g.listener = nil
	for conn := range g.conns {
		_ = conn.Close()
	}
}

func (g *gate) carry(in net.Conn) {
	out, err := net.Dial("tcp", g.to)
	if err != nil {
		_ = in.Close()
		return
	}
	g.mu.Lock()
	g.conns[in], g.conns[out] = true, true
	if g.listener == nil {
		_ = in.Close()
	}
	g.mu.Unlock()
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }() // until either end goes
	_, _ = io.Copy(in, out)
	_ = in.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, in)
	delete(g.conns, out)
}

// expire ends every session at the vCenter but the administrator's.
func (v *vcenter) expire() {
	v.Helper()
	manager := session.NewManager(v.admin)
	own, err := manager.UserSession(v.Context())
	if err != nil {
		v.Fatal(err)
	}
	var all mo.SessionManager
	if err := property.DefaultCollector(v.admin).RetrieveOne(v.Context(), manager.Reference(), []string{"sessionList"}, &all); err != nil {
		v.Fatal(err)
	}
	var keys []string
	for _, one := range all.SessionList {
		if one.Key != own.Key {
			keys = append(keys, one.Key)
		}
	}
	if err := manager.TerminateSession(v.Context(), keys); err != nil || len(keys) == 0 {
		v.Fatalf("%d sessions are ended: %v", len(keys), err)
	}
}

// powers is how often each VM went on and off, as vCenter's own updates tell.
type powers struct {
	mu       sync.Mutex
	of       map[types.ManagedObjectReference]types.VirtualMachinePowerState
	ons, off map[types.ManagedObjectReference]int
	err      error
}

// follow follows the power of the VMs of these names, from now until the test ends.
func (v *vcenter) follow(prefix string) {
	v.Helper()
	all, err := view.NewManager(v.admin).CreateContainerView(v.Context(), v.admin.ServiceContent.RootFolder, []string{"VirtualMachine"}, true)
	if err != nil {
		v.Fatal(err)
	}
	var machines []mo.VirtualMachine
	if err := all.Retrieve(v.Context(), []string{"VirtualMachine"}, []string{"name", "runtime.powerState"}, &machines); err != nil {
		v.Fatal(err)
	}
	p := &powers{of: map[types.ManagedObjectReference]types.VirtualMachinePowerState{}, ons: map[types.ManagedObjectReference]int{}, off: map[types.ManagedObjectReference]int{}}
	var refs []types.ManagedObjectReference
	for _, vm := range machines {
		if strings.HasPrefix(vm.Name, prefix) {
			refs = append(refs, vm.Self)
			p.of[vm.Self] = vm.Runtime.PowerState
		}
	}
	list, err := view.NewManager(v.admin).CreateListView(v.Context(), refs)
	if err != nil {
		v.Fatal(err)
	}
	filter := new(property.WaitFilter).Add(list.Reference(), "VirtualMachine", []string{"runtime.powerState"}, list.TraversalSpec())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	v.Cleanup(func() { stop(); <-ended })
	go func() {
		defer close(ended)
		err := property.WaitForUpdates(ctx, property.DefaultCollector(v.admin), filter, p.note)
		p.mu.Lock()
		defer p.mu.Unlock()
		if ctx.Err() == nil {
			p.err = errors.Join(errors.New("the witness sees nothing any more"), err)
		}
	}()
	v.power = p
}

func (p *powers) note(updates []types.ObjectUpdate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, update := range updates {
		for _, change := range update.ChangeSet {
			state, ok := change.Val.(types.VirtualMachinePowerState)
			if !ok || state == p.of[update.Obj] {
				continue
			}
			p.of[update.Obj] = state
			if state == types.VirtualMachinePowerStatePoweredOn {
				p.ons[update.Obj]++
			} else {
				p.off[update.Obj]++
			}
		}
	}
	return false
}

// wrong tells which VMs are not in this state, or have not gone on and off exactly so
// often.
func (p *powers) wrong(state types.VirtualMachinePowerState, ons, off int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []error
	for ref, now := range p.of {
		if now != state || p.ons[ref] != ons || p.off[ref] != off {
			all = append(all, fmt.Errorf("%s is %s, went on %d times and off %d times; want %s, %d and %d", ref.Value, now, p.ons[ref], p.off[ref], state, ons, off))
		}
	}
	return errors.Join(append(all, p.err)...)
}

// read gives how many of the followed VMs are in a state, by a read of its own.
func (v *vcenter) read(state types.VirtualMachinePowerState) int {
	v.Helper()
	var refs []types.ManagedObjectReference
	for ref := range v.power.of {
		refs = append(refs, ref)
	}
	var machines []mo.VirtualMachine
	if err := property.DefaultCollector(v.admin).Retrieve(v.Context(), refs, []string{"runtime.powerState"}, &machines); err != nil {
		v.Fatal(err)
	}
	n := 0
	for _, vm := range machines {
		if vm.Runtime.PowerState == state {
			n++
		}
	}
	return n
}

// rest lets some time pass, and looks on meanwhile.
func (v *vcenter) rest(d time.Duration, look func()) {
	for over := time.After(d); ; {
		select {
		case <-over:
			return
		case <-time.After(50 * time.Millisecond):
			look()
		}
	}
}
