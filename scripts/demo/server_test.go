package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/cmd/hotspare/serve"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// kvmServer is the whole server beside the KVM rig.
type kvmServer struct {
	testing.TB
	dir    string
	rig    *kvmsite.Site
	client *api.Client
}

// usable skips where the rig cannot run; where CI is "true" that is a failure.
func usable(t testing.TB) {
	t.Helper()
	switch err := kvmsite.Usable(); {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// newKVMServer brings the rig up, and starts a server for it with this changed in its file: old
// texts, each followed by the new one.
func newKVMServer(t testing.TB, changes func(rig *kvmsite.Site) []string) *kvmServer {
	t.Helper()
	usable(t)
	dir, err := os.MkdirTemp("", "hs") // short: a unix socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	k := &kvmServer{TB: t, dir: dir}
	if k.rig, err = kvmsite.Up(t.Context(), kvmsite.Options{Dir: filepath.Join(dir, "rig")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.rig.Down(context.Background()); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	if err := k.rig.WriteConfiguration(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, kvmsite.ConfigurationFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(changes(k.rig)...).Replace(string(text))
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	k.serve(file)
	return k
}

func (k *kvmServer) serve(file string) {
	k.Helper()
	drivers := filepath.Dir(drivertest.Build(k, "github.com/hotspare/hotspare/cmd/hotspare-driver-libvirt"))
	k.client = api.NewClient(filepath.Join(k.dir, "hotspare.sock"))
	ctx, stop := context.WithCancel(context.Background())
	log, err := os.Create(filepath.Join(k.dir, "server.log"))
	if err != nil {
		k.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, serve.Options{Config: file, Version: "test", Out: io.Discard, Log: log,
			Getenv: func(key string) string { return map[string]string{"HOTSPARE_DRIVERS": drivers}[key] }})
	}()
	k.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			k.Errorf("the server ends with: %v", err)
		}
		text, err := os.ReadFile(log.Name())
		if k.Failed() {
			k.Logf("the server's log (%v):\n%s", err, text)
		}
		_ = log.Close()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		all, err := k.client.Drivers(k.Context())
		if err == nil && all[0].State == "ready" && all[0].VMs > 0 {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("the server is not ready: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (k *kvmServer) over(run string) {
	k.Helper()
	var last *api.Run
	if err := k.client.WatchRun(k.Context(), run, func(r *api.Run) error { last = r; return nil }); err != nil {
		k.Fatal(err)
	}
	if last == nil || last.State != string(scheduler.RunDone) {
		k.Fatalf("run %s: %+v", run, last)
	}
}

// sums gives the checksum of every file of the replica.
func (k *kvmServer) sums() map[string]string {
	k.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(k.rig.Replica(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, k.rig.Replica())] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		k.Fatal(err)
	}
	return all
}

func TestWhatAGuestWroteSurvivesAForcedReclaim(t *testing.T) {
	k := newKVMServer(t, func(*kvmsite.Site) []string { return []string{`shutdown  = "10s"`, `shutdown  = "1ms"`} })
	ctx := t.Context()
	before := k.sums()
	lent, err := k.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: kvmsite.Group, Owner: "anna", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	k.over(lent.Run)
	id := kvmsite.VMUUID("shop-db")
	if _, err := k.rig.WaitBoot(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	network, err := k.rig.Network("iso-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := network.Get(ctx, "10.20.0.11", "/cgi-bin/write?precious"); err != nil {
		t.Fatal(err)
	}
	reclaimed, err := k.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Reclaim, Group: kvmsite.Group})
	if err != nil {
		t.Fatal(err)
	}
	k.over(reclaimed.Run)
	now := k.sums() // the pins of the clones are there too
	for file, sum := range before {
		if now[file] != sum {
			t.Errorf("%s of the replica is not as before it was lent", file)
		}
	}
	reverted, err := k.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: kvmsite.Group})
	if err != nil {
		t.Fatal(err)
	}
	k.over(reverted.Run)
	if _, err := k.rig.WaitBoot(ctx, id, 1); err != nil {
		t.Fatal(err)
	}
	data, err := network.Get(ctx, "10.20.0.11", "/cgi-bin/data")
	if err != nil || data != "precious" {
		t.Errorf("the guest's disk holds %q, %v; want what it wrote", data, err)
	}
	back, err := k.client.ReturnWorkspace(ctx, lent.Workspace.ID, "anna")
	if err != nil {
		t.Fatal(err)
	}
	k.over(back.Run)
	if diff := cmp.Diff(before, k.sums()); diff != "" {
		t.Errorf("the replica is not as before it was lent:\n%s", diff)
	}
}
