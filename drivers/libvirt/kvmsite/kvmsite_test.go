package kvmsite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

const upIn = "KVMSITE_TEST_UP_IN" // a child of the tests brings up a site in this folder

func TestMain(m *testing.M) {
	if dir := os.Getenv(upIn); dir != "" {
		if _, err := kvmsite.Up(context.Background(), kvmsite.Options{Dir: dir, Log: os.Stdout}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// siteDir gives a folder for a site, which is taken down in the end whatever happens.
func siteDir(t *testing.T) string {
	t.Helper()
	if err := kvmsite.Usable(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "kvmsite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kvmsite.Down(context.Background(), dir, nil); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	return dir
}

// leftovers names processes and mounts that have to do with a site's folder.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if p == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		for _, file := range []string{"cmdline", "environ", "mountinfo"} {
			if content, err := os.ReadFile(filepath.Join(p, file)); err == nil && strings.Contains(string(content), dir) {
				list = append(list, p+"/"+file)
			}
		}
	}
	if _, err := os.Stat(dir); err == nil {
		list = append(list, dir)
	}
	return list
}

func TestSite(t *testing.T) {
	dir := siteDir(t)
	ctx, cancel := context.WithTimeout(context.Background(), 80*time.Second)
	defer cancel()
	began := time.Now()
	stage := func(what string) { t.Logf("%5.1fs %s", time.Since(began).Seconds(), what) }
	site, err := kvmsite.Up(ctx, kvmsite.Options{Dir: dir, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	stage("up")
	if again, err := kvmsite.Up(ctx, kvmsite.Options{Dir: dir}); err != nil || len(again.Hosts()) != 3 {
		t.Fatalf("a second up: %v, %v", again, err)
	}

	overlay := filepath.Join(dir, "volumes", "copy.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", site.PointPath("rp-2", "shop-db-root"), overlay).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	hosts := site.Hosts()
	guests := []struct {
		host kvmsite.Host
		spec kvmsite.VMSpec
		want kvmsite.Boot
	}{
		{hosts[0], kvmsite.VMSpec{Name: "copy", Bridge: "iso-1", Pattern: "kept", Disks: []kvmsite.Disk{{Path: overlay, Format: "qcow2", Serial: "c0"}}},
			kvmsite.Boot{Net: "iso-1", Disk: "shop-db-root@rp-2", Serial: "c0", Data: "kept", Boots: "1", IP: "10.20.0.11"}},
		{hosts[1], kvmsite.VMSpec{Name: "nbd", Network: "prod", Portgroup: "db", IgnorePowerButton: true, MAC: "52:54:00:00:00:05", Disks: []kvmsite.Disk{{Source: site.NBD().Source("spare"), Format: "raw"}}},
			kvmsite.Boot{Net: "prod", Disk: "spare@nbd", Boots: "1", IP: "10.20.0.105"}},
		{hosts[2], kvmsite.VMSpec{Name: "iscsi", Network: "iso-net-1", MAC: "52:54:00:00:00:06", Disks: []kvmsite.Disk{{Source: site.ISCSI().Source("spare"), Format: "raw"}}},
			kvmsite.Boot{Net: "iso-1", Disk: "spare@iscsi", Boots: "1", IP: "10.20.0.106"}},
	}
	for _, g := range guests {
		if err := site.Define(ctx, g.host, g.spec); err != nil {
			t.Fatal(err)
		}
		virsh(t, ctx, g.host, "start", g.spec.Name)
	}
	for _, g := range guests {
		got, err := site.WaitBoot(ctx, kvmsite.VMUUID(g.spec.Name), 0)
		if err != nil {
			console, _ := site.Console(g.spec.Name)
			t.Fatalf("%v\n%s", err, console)
		}
		g.want.UUID, g.want.MAC = kvmsite.VMUUID(g.spec.Name), got.MAC
		if got != g.want {
			t.Errorf("%s on %s booted with\n%+v, want\n%+v", g.spec.Name, g.host.Name, got, g.want)
		}
	}
	stage("three guests booted: a clone, one over NBD, one over iSCSI")
	production, err := site.WaitBoot(ctx, kvmsite.ProductionUUID("shop-db"), 0)
	if err != nil || production.Net != "prod" || production.Disk != "shop-db-root@prod" || production.Disk2 != "shop-db-data@prod" || production.IP != "10.20.0.11" {
		t.Errorf("production: %+v, %v", production, err)
	}
	if line, err := site.WaitConsole(ctx, "prod-1.shop-app", "PEER ip=10.20.0.11 uuid="+kvmsite.ProductionUUID("shop-db"), 0); err != nil {
		t.Error("production's application does not reach its database: ", line, err)
	}

	st, err := site.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("five guests running:\n%s", st)
	for _, p := range st.Parts {
		if p.State != "runs" {
			t.Errorf("%s: %s", p.Name, p.State)
		}
	}
	checkWrites(t, ctx, site)
	checkMove(t, ctx, site, guests[0].host)
	checkPowerButton(t, ctx, site, guests[0].host, guests[1].host)
	stage("power button")
	checkHost(t, ctx, hosts[2])
	stage("host frozen, killed, off and up")
	checkServers(t, ctx, site)
	stage("servers frozen, stopped, started")

	if err := site.Down(ctx); err != nil {
		t.Fatal(err)
	}
	stage("down")
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("down left %q", left)
	}
}

func virsh(t *testing.T, ctx context.Context, h kvmsite.Host, args ...string) string {
	t.Helper()
	out, err := h.Virsh(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// checkWrites: the same address in two networks are two guests, and only one is written to.
func checkWrites(t *testing.T, ctx context.Context, site *kvmsite.Site) {
	t.Helper()
	prod, _ := site.Network("prod")
	iso, _ := site.Network("iso-1")
	if out, err := prod.Get(ctx, "10.20.0.11", "/cgi-bin/write?order-17"); err != nil || out != "written" {
		t.Fatalf("write: %q, %v", out, err)
	}
	for n, want := range map[kvmsite.Network]string{prod: "order-17", iso: "kept"} {
		if got, err := n.Get(ctx, "10.20.0.11", "/cgi-bin/data"); err != nil || got != want {
			t.Errorf("10.20.0.11 in %s holds %q, %v; want %q", n.Name, got, err, want)
		}
	}
}

// checkMove: a NIC that is moved while its guest runs is in the other network, and no more in the first.
func checkMove(t *testing.T, ctx context.Context, site *kvmsite.Site, h kvmsite.Host) {
	t.Helper()
	nic := filepath.Join(site.Dir(), "nic.xml")
	xml := "<interface type='bridge'><mac address='" + kvmsite.VMMAC("copy") + "'/><source bridge='iso-2'/><model type='virtio'/><rom enabled='no'/></interface>"
	if err := os.WriteFile(nic, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	virsh(t, ctx, h, "update-device", "copy", nic, "--live")
	if _, err := site.WaitConsole(ctx, "copy", "NET iso-2", 0); err != nil {
		t.Fatal(err)
	}
	to, _ := site.Network("iso-2")
	from, _ := site.Network("iso-1")
	if _, err := to.Get(ctx, "10.20.0.11", "/"); err != nil {
		t.Error(err)
	}
	if got, err := from.Get(ctx, "10.20.0.11", "/"); err == nil {
		t.Errorf("the guest still answers in iso-1: %s", got)
	}
}

// checkPowerButton: one guest goes off, the stubborn one hears it and goes on.
func checkPowerButton(t *testing.T, ctx context.Context, site *kvmsite.Site, willing, stubborn kvmsite.Host) {
	t.Helper()
	virsh(t, ctx, stubborn, "shutdown", "nbd")
	virsh(t, ctx, willing, "shutdown", "copy")
	if _, err := site.WaitConsole(ctx, "copy", "POWERBUTTON", 0); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "the willing guest is off", func() bool { return virsh(t, ctx, willing, "domstate", "copy") == "shut off" })
	if state := virsh(t, ctx, stubborn, "domstate", "nbd"); state != "running" {
		t.Errorf("the stubborn guest is %s", state)
	}
}

func checkHost(t *testing.T, ctx context.Context, h kvmsite.Host) {
	t.Helper()
	if err := h.Freeze(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	if _, err := h.Virsh(short, "uri"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen libvirtd: %v", err)
	}
	cancel()
	if err := h.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := h.Kill9(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Virsh(ctx, "uri"); err == nil {
		t.Error("a killed libvirtd answers")
	}
	if err := h.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if state := virsh(t, ctx, h, "domstate", "iscsi"); state != "running" {
		t.Errorf("after libvirtd's end the guest is %s", state)
	}
	if err := h.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.PowerUp(ctx); err != nil {
		t.Fatal(err)
	}
	if state := virsh(t, ctx, h, "domstate", "iscsi"); state != "shut off" {
		t.Errorf("after the host's power-off the guest is %s", state)
	}
	if state := virsh(t, ctx, h, "pool-list"); !strings.Contains(state, "volumes") {
		t.Errorf("after the host's power-off its pools are %q", state)
	}
}

func checkServers(t *testing.T, ctx context.Context, site *kvmsite.Site) {
	t.Helper()
	if err := site.ISCSI().Add(ctx, "more", "more@iscsi", ""); err != nil {
		t.Fatal(err)
	}
	reach := func(uri string) error {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := site.Hosts()[2].Run(short, "qemu-img", "info", uri)
		return err
	}
	for uri, server := range map[string]interface {
		Start(context.Context) error
		Stop(context.Context) error
		Freeze() error
		Thaw() error
	}{site.NBD().URI("spare"): site.NBD(), site.ISCSI().URI("more"): site.ISCSI()} {
		if err := server.Freeze(); err != nil || reach(uri) == nil {
			t.Errorf("%s frozen: %v, or it answers", uri, err)
		}
		if err := server.Thaw(); err != nil {
			t.Fatal(err)
		}
		if err := reach(uri); err != nil {
			t.Error(err)
		}
		if err := server.Stop(ctx); err != nil || reach(uri) == nil {
			t.Errorf("%s stopped: %v, or it answers", uri, err)
		}
		if err := server.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := reach(uri); err != nil {
			t.Error(err)
		}
	}
	if err := site.ISCSI().Offline(ctx, "more", true); err != nil || reach(site.ISCSI().URI("more")) == nil {
		t.Errorf("a target that is offline: %v, or it answers", err)
	}
}

// until asks every few milliseconds, until the context ends.
func until(t *testing.T, ctx context.Context, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

// cutOff ends a context when the log says a word.
type cutOff struct {
	word string
	stop func()
}

func (c cutOff) Write(line []byte) (int, error) {
	if strings.Contains(string(line), c.word) {
		c.stop()
	}
	return len(line), nil
}

// An up that is stopped by its user takes down what it began.
func TestUpCutOff(t *testing.T) {
	for _, word := range []string{"networks", "hosts", "VMs"} {
		dir := siteDir(t)
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := kvmsite.Up(ctx, kvmsite.Options{Dir: dir, Log: cutOff{word, cancel}}); !errors.Is(err, context.Canceled) {
			t.Errorf("cut off after %s: %v", word, err)
		}
		if left := leftovers(t, dir); len(left) > 0 {
			t.Errorf("cut off after %s it left %q", word, left)
		}
	}
}

// What a killed up left, down takes away.
func TestUpKilled(t *testing.T) {
	dir := siteDir(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), upIn+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(cutOff{"hosts", func() { _ = child.Process.Kill() }}, out)
	_ = child.Wait()
	if len(leftovers(t, dir)) == 0 {
		t.Fatal("the killed up left nothing: it was killed too early to try anything")
	}
	if _, err := kvmsite.Open(dir); err == nil {
		t.Error("a site that never came up whole is told to be up")
	}
	if err := kvmsite.Down(context.Background(), dir, nil); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("down left %q", left)
	}
}
