package server_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func (b *bench) drain(host string) *api.Host {
	b.Helper()
	h, err := b.server.DrainHost(context.Background(), host, api.HostRequest{By: "maria", Reason: "a fan is loud"})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

func (b *bench) resume(host string) *api.Host {
	b.Helper()
	h, err := b.server.ResumeHost(context.Background(), host, api.HostRequest{By: "maria"})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

func (b *bench) host(name string) api.Host {
	b.Helper()
	all, err := b.server.Hosts(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for _, h := range all {
		if h.Name == name {
			return h
		}
	}
	b.Fatalf("there is no host %s in %+v", name, all)
	return api.Host{}
}

func (b *bench) hostNames() []string {
	b.Helper()
	all, err := b.server.Hosts(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, h := range all {
		names = append(names, h.Name)
	}
	return names
}

func TestADrainedHostLendsNothingUntilItIsResumed(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		names := b.hostNames()
		if len(names) != 3 {
			t.Fatalf("hosts: %v", names)
		}
		b.drain(names[0])
		b.drain(names[1])
		b.stop()
		b.start() // it survives a restart
		w, err := b.server.Workspace(context.Background(), b.lend(api.WorkspaceRequest{Template: "template-01", Count: 4}))
		if err != nil {
			t.Fatal(err)
		}
		for _, vm := range w.VMs {
			if vm.Host != names[2] {
				t.Errorf("%s is on %s, which is drained", vm.Name, vm.Host)
			}
		}
		b.drain(names[2])
		got, err := b.server.RequestWorkspace(context.Background(), api.WorkspaceRequest{Template: "template-01", Owner: "ben", For: time.Hour})
		if err != nil || got.Workspace.State != scheduler.WorkspaceWaiting {
			t.Fatalf("with no host in use: %+v, %v", got, err)
		}
		time.Sleep(time.Hour)
		if s := b.state(got.Workspace.ID); s != scheduler.WorkspaceWaiting {
			t.Errorf("an hour later, with no host in use, it is %s", s)
		}
		if h := b.resume(names[1]); h.State != api.HostConnected || h.Drained != nil || h.Free.MemoryMiB == 0 {
			t.Errorf("after the resume: %+v", h)
		}
		b.until("the queue goes on", func() bool { return b.state(got.Workspace.ID) == scheduler.WorkspaceLent })
	})
}

func TestWhoStandsOnADrainedHostIsTold(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		id := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		w, err := b.server.Workspace(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		name := w.VMs[0].Host
		before := b.host(name)
		if before.Lent.MemoryMiB == 0 || before.Free.MemoryMiB >= before.Capacity.MemoryMiB {
			t.Errorf("the copy uses nothing: %+v", before)
		}
		h := b.drain(name)
		if h.State != api.HostDrained || h.Drained.By != "maria" || h.Free != (scheduler.Size{}) || h.Lent != before.Lent {
			t.Errorf("drained: %+v", h)
		}
		if len(h.Workspaces) != 1 || h.Workspaces[0] != id || len(h.Standby) == 0 {
			t.Errorf("on it: %v and %v", h.Workspaces, h.Standby)
		}
		if got := b.state(id); got != scheduler.WorkspaceLent {
			t.Errorf("the workspace on it is %s", got)
		}
		b.over(b.giveBack(id))
		if h := b.host(name); len(h.Workspaces) != 0 || h.State != api.HostDrained {
			t.Errorf("after the return: %+v", h)
		}
	})
}

func TestProductionsRoomIsTold(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.over(b.failover("group-01"))
		var production scheduler.Size
		var produces []string
		for _, name := range b.hostNames() {
			production = production.Plus(b.host(name).Production)
			produces = append(produces, b.drain(name).Produces...)
			b.resume(name)
		}
		slices.Sort(produces)
		if production.MemoryMiB == 0 || !slices.Equal(produces, []string{"group-01/group-01-vm-01", "group-01/group-01-vm-02"}) {
			t.Errorf("production uses %v, on the hosts as they are drained run %q", production, produces)
		}
		b.over(b.revert("group-01"))
	})
}

func TestAHostIsDrainedAndResumedOnce(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		ctx, name := context.Background(), b.hostNames()[0]
		_, err := b.server.DrainHost(ctx, name, api.HostRequest{})
		b.says(err, api.CodeUsage, "--reason")
		_, err = b.server.DrainHost(ctx, "h-99", api.HostRequest{Reason: "x"})
		b.says(err, api.CodeNotFound, `no host "h-99"`)
		_, err = b.server.DrainHost(ctx, name, api.HostRequest{Cluster: "c9", Reason: "x"})
		b.says(err, api.CodeNotFound, `cluster "c9" has no host`)
		_, err = b.server.ResumeHost(ctx, name, api.HostRequest{})
		b.says(err, api.CodeRefused, "is not drained")
		b.drain(name)
		_, err = b.server.DrainHost(ctx, name, api.HostRequest{Reason: "x"})
		b.says(err, api.CodeRefused, "drained already, by maria: a fan is loud", "hotspare host resume")
		b.resume(name)
	})
}
