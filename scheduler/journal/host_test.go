package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

func TestADrainedHostStaysDrainedOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{})
	drain := func(host, reason string) journal.Record {
		return journal.Record{HostDrained: &journal.HostDrained{Cluster: "c1", Host: host, By: "maria", Reason: reason}}
	}
	resume := func(host string) journal.Record {
		return journal.Record{HostResumed: &journal.HostResumed{Cluster: "c1", Host: host}}
	}
	refused(t, j, "a resume of what is in use", resume("h1"))
	refused(t, j, "a drain without a reason", drain("h1", ""))
	refused(t, j, "a drain of no host", drain("", "why"))
	write(t, j, drain("h2", "a fan"), drain("h1", "a disk"))
	refused(t, j, "a drain of what is drained", drain("h1", "again"))
	j = replayed(t, j, path)
	j.View(func(s *scheduler.State) {
		if d := s.DrainOf("c1", "h1"); d == nil || d.Reason != "a disk" || d.By != "maria" || d.Since.IsZero() {
			t.Errorf("h1: %+v", d)
		}
		if s.DrainOf("c2", "h1") != nil {
			t.Error("a host of another cluster is drained too")
		}
	})
	write(t, j, resume("h1"), resume("h2"))
	j = replayed(t, j, path)
	defer j.Close()
	j.View(func(s *scheduler.State) {
		if len(s.Drained) != 0 {
			t.Errorf("still drained: %+v", s.Drained)
		}
	})
}
