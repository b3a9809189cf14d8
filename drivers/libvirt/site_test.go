package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

const (
	siteName    = "brno"
	clusterName = "kvm"
)

// The rig is brought up once for all tests of the package.
var shared struct {
	once sync.Once
	dir  string
	site *kvmsite.Site
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		if err := kvmsite.Down(context.Background(), shared.dir, nil); err != nil {
			fmt.Println(err)
			code = 1
		}
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// testSite is the shared rig as a test sees it.
type testSite struct {
	*kvmsite.Site
	t testing.TB
}

func newSite(t testing.TB) *testSite {
	t.Helper()
	if err := kvmsite.Usable(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "kvm"); shared.err == nil {
			shared.site, shared.err = kvmsite.Up(context.Background(), kvmsite.Options{Dir: shared.dir})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &testSite{shared.site, t}
}

func (s *testSite) ctx() context.Context { return context.WithoutCancel(s.t.Context()) }

func (s *testSite) configuration(change func(map[string]any)) drivers.Configuration {
	s.t.Helper()
	hosts := map[string]string{}
	for _, h := range s.Hosts() {
		hosts[h.Name] = h.URI()
	}
	body := map[string]any{
		"hosts": hosts, "volumes_pool": "volumes",
		"bridges": []string{"br-prod", "br-standby", "iso-1", "iso-2", "iso-3", "iso-4"},
	}
	if change != nil {
		change(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return drivers.Configuration{Site: siteName, Cluster: clusterName, Body: text}
}

// driver gives a configured driver, for the length of the test.
func (s *testSite) driver() drivers.Driver {
	s.t.Helper()
	d := &driver{}
	if err := d.Configure(s.t.Context(), s.configuration(nil)); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.cluster.close() })
	return d
}

func (s *testSite) host(name string) kvmsite.Host {
	s.t.Helper()
	for _, h := range s.Hosts() {
		if h.Name == name {
			return h
		}
	}
	s.t.Fatalf("no host %s", name)
	return kvmsite.Host{}
}

// virsh runs virsh on a host.
func (s *testSite) virsh(host string, args ...string) string {
	s.t.Helper()
	out, err := s.host(host).Virsh(s.ctx(), args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// where gives the host that defines a VM.
func (s *testSite) where(uuid string) string {
	s.t.Helper()
	for _, h := range s.Hosts() {
		if out, err := h.Virsh(s.ctx(), "list", "--all", "--uuid"); err == nil && strings.Contains(out, uuid) {
			return h.Name
		}
	}
	s.t.Fatalf("VM %s is on no host", uuid)
	return ""
}

// redefine changes a VM's definition as somebody with virsh would, and gives what puts it
// back.
func (s *testSite) redefine(uuid string, change func(text string) string) (putBack func()) {
	s.t.Helper()
	host := s.where(uuid)
	before := s.virsh(host, "dumpxml", "--inactive", "--security-info", uuid)
	after := change(before)
	if after == before {
		s.t.Fatalf("the change changes nothing of %s", before)
	}
	s.define(host, after)
	return func() { s.define(host, before) }
}

func (s *testSite) define(host, text string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "domain.xml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.virsh(host, "define", file)
}

// guest defines a VM on a host for the length of the test, and gives its UUID.
func (s *testSite) guest(host string, spec kvmsite.VMSpec) string {
	s.t.Helper()
	if err := s.Define(s.ctx(), s.host(host), spec); err != nil {
		s.t.Fatal(err)
	}
	uuid := kvmsite.VMUUID(spec.Name)
	s.t.Cleanup(func() {
		for _, h := range s.Hosts() {
			_, _ = h.Virsh(s.ctx(), "destroy", uuid)
			_, _ = h.Virsh(s.ctx(), "undefine", "--managed-save", "--snapshots-metadata", uuid)
		}
	})
	return uuid
}

// diskFile makes a disk in the volumes pool for the length of the test.
func (s *testSite) diskFile(name, format, marker string) string {
	s.t.Helper()
	path := filepath.Join(s.Dir(), "volumes", name)
	if err := kvmsite.MakeDisk(s.ctx(), path, format, marker, ""); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

func (s *testSite) property(kind drivers.Kind, target string, name drivers.Name, slot string) drivers.Property {
	return drivers.Property{Cluster: clusterName, Kind: kind, Target: target, Name: name, Slot: slot}
}

func (s *testSite) observe(d drivers.Driver, p drivers.Property) drivers.Value {
	s.t.Helper()
	v, err := d.Observe(s.ctx(), p)
	if err != nil {
		s.t.Fatalf("observe %s: %v", p, err)
	}
	return v
}

var changes struct {
	mu sync.Mutex
	n  int
}

// change gives a change that may cut a guest off.
func (s *testSite) change(p drivers.Property, goal drivers.Value, expected ...drivers.Value) drivers.Change {
	changes.mu.Lock()
	defer changes.mu.Unlock()
	changes.n++
	return drivers.Change{
		Property: p, ID: fmt.Sprintf("own-%d", changes.n), Goal: goal, Expected: expected, Force: true,
		Owner: drivers.Owner{Site: siteName, Holder: "test"},
	}
}

func (s *testSite) apply(d drivers.Driver, p drivers.Property, goal drivers.Value) drivers.Value {
	s.t.Helper()
	v, err := d.Apply(s.ctx(), s.change(p, goal), nil)
	if err != nil {
		s.t.Fatalf("set %s to %q: %v", p, goal.Text, err)
	}
	return v
}

// refused applies a change that must be refused with these words, and leave all as it was.
func (s *testSite) refused(d drivers.Driver, p drivers.Property, goal drivers.Value, kind drivers.ErrorKind, words string) {
	s.t.Helper()
	before := s.observe(d, p)
	_, err := d.Apply(s.ctx(), s.change(p, goal), nil)
	if drivers.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		s.t.Fatalf("want %s with %q, got %s: %v", kind, words, drivers.KindOf(err), err)
	}
	if after := s.observe(d, p); after.Text != before.Text || string(after.Rest) != string(before.Rest) {
		s.t.Fatalf("refused, and changed all the same: before %v, after %v", before, after)
	}
}

// sums gives the checksum of every file below a folder, without what the driver writes
// there.
func (s *testSite) sums(folder string) map[string]string {
	s.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, folder)] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// until waits for something that happens by itself.
func (s *testSite) until(limit time.Duration, what string, yes func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		if time.Since(began) > limit {
			s.t.Fatalf("after %s still not: %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(began)
}
