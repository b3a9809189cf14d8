package journal

import (
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// WorkspaceExtended moves the end of a workspace's lease.
type WorkspaceExtended struct {
	Workspace string        `json:"workspace"`
	For       time.Duration `json:"for"` // by how much; more than 0
	By        string        `json:"by,omitempty"`
}

func foldExtended(s *scheduler.State, r *WorkspaceExtended) error {
	switch w := s.Workspaces[r.Workspace]; {
	case w == nil || w.Gone:
		return illegal("workspace %s is not there", r.Workspace)
	case r.For <= 0:
		return illegal("the lease of %s cannot be extended by %s", w.ID, r.For)
	case w.Admitted.IsZero() || w.Expired || w.Returning:
		return illegal("workspace %s has no lease that runs", w.ID)
	default:
		w.Ends = w.Ends.Add(r.For)
		return nil
	}
}
