package journal

import (
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// HostDrained takes a host out of use.
type HostDrained struct {
	Cluster string `json:"cluster"`
	Host    string `json:"host"`
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason"`
}

// HostResumed puts a drained host back into use.
type HostResumed struct {
	Cluster string `json:"cluster"`
	Host    string `json:"host"`
	By      string `json:"by,omitempty"`
}

func foldDrained(s *scheduler.State, at time.Time, r *HostDrained) error {
	switch {
	case r.Cluster == "" || r.Host == "" || r.Reason == "":
		return illegal("a host is drained, and its name or the reason is missing")
	case s.DrainOf(r.Cluster, r.Host) != nil:
		return illegal("host %s of %s is drained already", r.Host, r.Cluster)
	}
	s.Drain(scheduler.Drained{Cluster: r.Cluster, Host: r.Host, By: r.By, Reason: r.Reason, Since: at})
	return nil
}

func foldResumed(s *scheduler.State, r *HostResumed) error {
	if s.DrainOf(r.Cluster, r.Host) == nil {
		return illegal("host %s of %s is not drained", r.Host, r.Cluster)
	}
	s.Resume(r.Cluster, r.Host)
	return nil
}
