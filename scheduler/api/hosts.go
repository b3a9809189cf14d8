package api

import (
	"context"
	"net/http"

	"github.com/hotspare/hotspare/scheduler"
)

// What a host is, in the word that people see.
const (
	HostConnected    = "connected"
	HostDisconnected = "disconnected" // the hypervisor does not reach it
	HostMaintenance  = "maintenance"  // as the hypervisor says
	HostDrained      = "drained"      // by a person, through hotspare
	HostGone         = "gone"         // drained, and no longer listed by the hypervisor
)

// Host is one hypervisor host and who uses its room.
type Host struct {
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	State   string `json:"state"`
	// Drained is by whom, why and since when; nil where nobody drained it.
	Drained *scheduler.Drained `json:"drained,omitempty"`
	// Capacity is what may be used, the cluster's ratios applied.
	Capacity scheduler.Size `json:"capacity"`
	// Lent is used by workspaces, Production by protection groups here or claimed for them,
	// Others by all else.
	Lent       scheduler.Size `json:"lent"`
	Production scheduler.Size `json:"production"`
	Others     scheduler.Size `json:"others"`
	// Free may still be lent: nothing where the host is out of use.
	Free scheduler.Size `json:"free"`
	// Workspaces that have a VM on it, and Standby: the standby VMs on it, as "group/vm".
	Workspaces []string `json:"workspaces,omitempty"`
	Standby    []string `json:"standby,omitempty"`
	// Produces are those of them that a failover has started: "GROUP/VM".
	Produces []string `json:"produces,omitempty"`
}

// HostRequest is a person's word on a host.
type HostRequest struct {
	Cluster string `json:"cluster,omitempty"` // needed where two clusters have such a host
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"` // needed to drain
}

// Hosts are the calls for hosts.
type Hosts interface {
	Hosts(ctx context.Context) ([]Host, error)
	// DrainHost takes a host out of use. The answer names the workspaces that stay on it until
	// they are returned, and the standby VMs for which no room is kept meanwhile.
	DrainHost(ctx context.Context, name string, req HostRequest) (*Host, error)
	ResumeHost(ctx context.Context, name string, req HostRequest) (*Host, error)
}

func hosts(mux *http.ServeMux, s Hosts) {
	get(mux, "/v1/hosts", func(ctx context.Context, _ *http.Request) (any, error) { return s.Hosts(ctx) })
	post(mux, "/v1/hosts/{name}/drain", func(ctx context.Context, r *http.Request, req HostRequest) (any, error) {
		return s.DrainHost(ctx, r.PathValue("name"), req)
	})
	post(mux, "/v1/hosts/{name}/resume", func(ctx context.Context, r *http.Request, req HostRequest) (any, error) {
		return s.ResumeHost(ctx, r.PathValue("name"), req)
	})
}

// Hosts implements [Service].
func (c *Client) Hosts(ctx context.Context) ([]Host, error) {
	return call[[]Host](ctx, c, http.MethodGet, path("hosts"), nil)
}

// DrainHost implements [Service].
func (c *Client) DrainHost(ctx context.Context, name string, req HostRequest) (*Host, error) {
	return call[*Host](ctx, c, http.MethodPost, path("hosts", name, "drain"), req)
}

// ResumeHost implements [Service].
func (c *Client) ResumeHost(ctx context.Context, name string, req HostRequest) (*Host, error) {
	return call[*Host](ctx, c, http.MethodPost, path("hosts", name, "resume"), req)
}
