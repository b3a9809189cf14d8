package vsphere

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	sessions "github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
	"github.com/hotspare/hotspare/drivers/vsphere/dump"
)

const (
	siteName    = "brno"
	clusterName = "c1"
)

// The development site is built once and started once, as a process of its own: bad input
// can end the simulator.
var shared = struct {
	once sync.Once
	dir  string
	cmd  *exec.Cmd
	err  error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cmd != nil {
		_ = shared.cmd.Process.Signal(syscall.SIGTERM)
		_ = shared.cmd.Wait()
	}
	if code != 0 {
		text, _ := os.ReadFile(filepath.Join(shared.dir, "site", "dev-vcenter.log"))
		complaints, _ := os.ReadFile(filepath.Join(shared.dir, "complaints"))
		fmt.Printf("the site's log:\n%s\nand what it said at its end:\n%s\n", text, complaints)
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// testSite is the shared site as a test sees it: with an account of the administrator's.
type testSite struct {
	t      *testing.T
	info   devsite.Info
	admin  *vim25.Client
	secret string
}

func startSite() (string, *exec.Cmd, error) {
	dir, err := os.MkdirTemp("", "hs")
	if err != nil {
		return "", nil, err
	}
	binary := filepath.Join(dir, "hotspare-dev-vcenter")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/hotspare/hotspare/cmd/hotspare-dev-vcenter").CombinedOutput(); err != nil {
		return dir, nil, fmt.Errorf("%w: %s", err, out)
	}
	cmd := exec.Command(binary, "--dir", filepath.Join(dir, "site"), "--scale", "fast")
	complaints, err := os.Create(filepath.Join(dir, "complaints"))
	if err != nil {
		return dir, nil, err
	}
	defer complaints.Close()
	cmd.Stderr = complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return dir, nil, err
	}
	if err := cmd.Start(); err != nil {
		return dir, nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if !strings.HasPrefix(line, "ready ") {
		text, _ := os.ReadFile(complaints.Name())
		return dir, cmd, fmt.Errorf("the site does not start: %w: %s", err, text)
	}
	return dir, cmd, nil
}

func newSite(t *testing.T) *testSite {
	t.Helper()
	shared.once.Do(func() { shared.dir, shared.cmd, shared.err = startSite() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return siteIn(t, shared.dir)
}

// siteIn is the site that startSite has started in a directory.
func siteIn(t *testing.T, parent string) *testSite {
	t.Helper()
	dir := filepath.Join(parent, "site")
	info, err := devsite.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := devsite.ReadPassword(dir)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := vim25.NewClient(t.Context(), soap.NewClient(u, true))
	if err != nil {
		t.Fatal(err)
	}
	if err := sessions.NewManager(admin).Login(t.Context(), url.UserPassword(info.Username, secret)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.NewManager(admin).Logout(context.WithoutCancel(t.Context())) })
	return &testSite{t: t, info: info, admin: admin, secret: secret}
}

// configuration is the one that fits the site, with attributes changed; nil removes one.
func (s *testSite) configuration(changed map[string]any) drivers.Configuration {
	s.t.Helper()
	body := map[string]any{
		"url": s.info.URL, "username": s.info.Username, "password_file": s.secret + "\n", "thumbprint": s.info.Thumbprint,
		"datacenter": "DC0", "compute": "DC0_C0", "folder": "hotspare", "volumes_datastore": "LocalDS_1",
	}
	for name, value := range changed {
		body[name] = value
		if value == nil {
			delete(body, name)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return drivers.Configuration{Site: siteName, Cluster: clusterName, Body: text, HealthEvery: time.Second}
}

// driver gives a configured driver and the counter of its calls.
func (s *testSite) driver() (*driver, *calls) {
	s.t.Helper()
	counted := &calls{count: map[string]int{}}
	d := &driver{observe: counted.note}
	if err := d.Configure(s.t.Context(), s.configuration(nil)); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.client.close() })
	return d, counted
}

// calls counts what a driver asks vCenter, by method.
type calls struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *calls) note(request soap.HasFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[methodOf(request)]++
}

// methodOf names the method that a request calls.
func methodOf(request soap.HasFault) string {
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", request), "*methods."), "Body")
}

func (c *calls) of(method string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[method]
}

// all is how many calls there were.
func (c *calls) all() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, of := range c.count {
		n += of
	}
	return n
}

// dump is the site as text.
func (s *testSite) dump() string {
	s.t.Helper()
	text, err := dump.Dump(context.WithoutCancel(s.t.Context()), s.info.URL, s.info.Username, s.secret, s.info.Thumbprint)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// vm finds a VM of the site by its name, and gives its instance UUID too.
func (s *testSite) vm(name string) (*object.VirtualMachine, string) {
	s.t.Helper()
	ref, err := object.NewSearchIndex(s.admin).FindByInventoryPath(context.WithoutCancel(s.t.Context()), "/DC0/vm/"+name)
	if err != nil || ref == nil {
		s.t.Fatalf("find VM %s: %v, %v", name, ref, err)
	}
	var vm mo.VirtualMachine
	if err := property.DefaultCollector(s.admin).RetrieveOne(context.WithoutCancel(s.t.Context()), ref.Reference(), []string{"config.instanceUuid"}, &vm); err != nil {
		s.t.Fatal(err)
	}
	return object.NewVirtualMachine(s.admin, ref.Reference()), vm.Config.InstanceUuid
}

// byID gives a VM by its instance UUID.
func (s *testSite) byID(id string) *object.VirtualMachine {
	s.t.Helper()
	instance := true
	ref, err := object.NewSearchIndex(s.admin).FindByUuid(context.WithoutCancel(s.t.Context()), nil, id, true, &instance)
	if err != nil || ref == nil {
		s.t.Fatalf("find VM %s: %v, %v", id, ref, err)
	}
	return object.NewVirtualMachine(s.admin, ref.Reference())
}

// wait waits for a task of the administrator's.
func (s *testSite) wait(task *object.Task, err error) {
	s.t.Helper()
	if err == nil {
		err = task.Wait(context.WithoutCancel(s.t.Context()))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// stubborn makes a VM's guest ignore the request to shut down, or no longer.
func (s *testSite) stubborn(id string, ignore bool) {
	s.t.Helper()
	if ignore {
		s.guest(id, "ignores-shutdown")
	} else {
		s.guest(id, "")
	}
}

// guest makes a VM's guest behave so.
func (s *testSite) guest(id, how string) {
	s.t.Helper()
	s.option(id, "devsite.guest", how)
}

// option sets one key of a VM's extraConfig.
func (s *testSite) option(id, key, value string) {
	s.t.Helper()
	s.wait(s.byID(id).Reconfigure(context.WithoutCancel(s.t.Context()), types.VirtualMachineConfigSpec{
		ExtraConfig: []types.BaseOptionValue{&types.OptionValue{Key: key, Value: value}},
	}))
}

// made makes a VM from a template for the length of the test, and names its presence.
func (s *testSite) made(d drivers.Driver, name, userData string) drivers.Property {
	s.t.Helper()
	p := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: uuid.NewString(), Name: drivers.Presence}
	mustApply(s.t, d, changeOf(p, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: &drivers.VMSpec{
		Name: name, Template: "tpl-ubuntu", Host: "esx-06", UserData: userData,
	}}}))
	s.t.Cleanup(func() { mustApply(s.t, d, changeOf(p, drivers.Value{Text: drivers.Absent})) })
	return p
}

// expire ends every session but the administrator's.
func (s *testSite) expire() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	manager := sessions.NewManager(s.admin)
	own, err := manager.UserSession(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var all mo.SessionManager
	if err := property.DefaultCollector(s.admin).RetrieveOne(ctx, manager.Reference(), []string{"sessionList"}, &all); err != nil {
		s.t.Fatal(err)
	}
	var keys []string
	for _, one := range all.SessionList {
		if one.Key != own.Key {
			keys = append(keys, one.Key)
		}
	}
	if err := manager.TerminateSession(ctx, keys); err != nil {
		s.t.Fatal(err)
	}
}

// point is the restore point of a replica at an index, oldest first.
func (s *testSite) points(d drivers.Driver, replica string) []drivers.RestorePoint {
	s.t.Helper()
	var points []drivers.RestorePoint
	err := d.Inventory(s.t.Context(), drivers.InventoryRequest{Replicas: []string{replica}}, func(item drivers.Item) error {
		if item.Replica != nil {
			points = item.Replica.RestorePoints
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return points
}
