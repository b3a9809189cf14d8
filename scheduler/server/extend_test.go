package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func (b *bench) extend(id string, by time.Duration) (*api.Workspace, error) {
	return b.server.ExtendWorkspace(context.Background(), id, api.ExtendRequest{For: by, By: "anna"})
}

// says checks that a request was refused, with these words, and a next step.
func (b *bench) says(err error, code string, words ...string) {
	b.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Next == "" {
		b.Errorf("got %#v, want %s and what to do next", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			b.Errorf("%q does not say %q", e.Error(), w)
		}
	}
}

func TestAnExtendedLeaseLastsLonger(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		id := b.lend(api.WorkspaceRequest{Copy: "group-01", For: time.Hour})
		before, err := b.server.Workspace(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		w, err := b.extend(id, 3*time.Hour)
		if err != nil || w.Ends.Sub(before.Ends) != 3*time.Hour {
			t.Fatalf("it ends at %s, and ended at %s: %v", w.Ends, before.Ends, err)
		}
		time.Sleep(3 * time.Hour)
		if got := b.state(id); got != scheduler.WorkspaceLent {
			t.Errorf("an hour before its new end it is %s", got)
		}
		time.Sleep(time.Hour + time.Minute)
		b.until("its lease is over", func() bool { return b.state(id) == scheduler.WorkspaceKept })
		_, err = b.extend(id, time.Hour)
		b.says(err, api.CodeRefused, "only its volumes are kept", "hotspare workspace request")
	})
}

func TestAParkedWorkspaceIsExtendedToo(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		id := b.lend(api.WorkspaceRequest{Copy: "group-01", For: time.Hour})
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"}))
		time.Sleep(100 * time.Hour) // its clock stands: it still has an hour
		_, err := b.extend(id, 72*time.Hour)
		b.says(err, api.CodeRefused, "at most 3d", "it can be extended by 2d23h")
		w, err := b.extend(id, 71*time.Hour)
		if err != nil || w.State != scheduler.WorkspaceParked {
			t.Fatalf("%+v, %v", w, err)
		}
		b.over(b.revert("group-01"))
		b.until("it is lent again", func() bool { return b.state(id) == scheduler.WorkspaceLent })
		time.Sleep(71 * time.Hour)
		if got := b.state(id); got != scheduler.WorkspaceLent {
			t.Errorf("with most of an hour left it is %s", got)
		}
	})
}

func TestWhatHasNoLeaseThatRunsIsNotExtended(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		ctx := context.Background()
		first := b.lend(api.WorkspaceRequest{Copy: "group-01", For: 72 * time.Hour})
		queued, err := b.server.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "group-01", Owner: "ben", For: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.extend(queued.Workspace.ID, time.Hour)
		b.says(err, api.CodeRefused, "waits in the queue")
		_, err = b.extend("ws-99", time.Hour)
		b.says(err, api.CodeNotFound, `there is no workspace "ws-99"`)
		_, err = b.extend(first, 0)
		b.says(err, api.CodeUsage, "more than 0")
		_, err = b.extend(first, time.Hour)
		b.says(err, api.CodeRefused, "the site lends for at most 3d")
		run := b.giveBack(first)
		_, err = b.extend(first, time.Hour)
		b.says(err, api.CodeRefused, "is being taken away")
		b.over(run)
		_, err = b.extend(first, time.Hour)
		b.says(err, api.CodeRefused, "is gone")
	})
}
