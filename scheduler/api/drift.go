package api

import (
	"context"
	"net/http"
	"time"
)

// Drift is a property at the site that is not as hotspare left it.
type Drift struct {
	ID       string    `json:"id"`
	Label    string    `json:"label"` // "erp-db-01 nic ethernet0"
	Property string    `json:"property"`
	Since    time.Time `json:"since"`
	Holder   string    `json:"holder,omitempty"` // of the top layer
	// Before is the value found at the bottom, Wanted what the top layer asks for, Stands
	// what hotspare left, Found what is there instead.
	Before string `json:"before,omitempty"`
	Wanted string `json:"wanted,omitempty"`
	Stands string `json:"stands"`
	Found  string `json:"found"`
	// Detail: the texts are the same, and what differs is what only the driver reads.
	Detail bool `json:"detail,omitempty"`
	// Run that works on the target; empty where none does.
	Run string `json:"run,omitempty"`
	// Stuck says why it can be neither put back nor accepted; empty where it can.
	Stuck string `json:"stuck,omitempty"`
}

// How a drift is accepted.
const (
	AsLayer = "layer" // as what the holder of the top layer wants
	AsFound = "found" // as the value found
)

// DriftRequest is a person's word on a drift.
type DriftRequest struct {
	By string `json:"by"`
	As string `json:"as,omitempty"` // AsLayer or AsFound, to accept it
}

// Drifts are the calls for drift. A drift is named by its id or its label.
type Drifts interface {
	Drifts(ctx context.Context) ([]Drift, error)
	// PutBackDrift begins a run that brings the property back to what stood.
	PutBackDrift(ctx context.Context, id string, req DriftRequest) (*Accepted, error)
	// AcceptDrift takes what was found for right. It begins a run only where another layer
	// still asks for something else.
	AcceptDrift(ctx context.Context, id string, req DriftRequest) (*Accepted, error)
}

func drifts(mux *http.ServeMux, s Drifts) {
	get(mux, "/v1/drifts", func(ctx context.Context, _ *http.Request) (any, error) { return s.Drifts(ctx) })
	post(mux, "/v1/drifts/{id}/put-back", func(ctx context.Context, r *http.Request, req DriftRequest) (any, error) {
		return s.PutBackDrift(ctx, r.PathValue("id"), req)
	})
	post(mux, "/v1/drifts/{id}/accept", func(ctx context.Context, r *http.Request, req DriftRequest) (any, error) {
		return s.AcceptDrift(ctx, r.PathValue("id"), req)
	})
}

// Drifts implements [Service].
func (c *Client) Drifts(ctx context.Context) ([]Drift, error) {
	return call[[]Drift](ctx, c, http.MethodGet, path("drifts"), nil)
}

// PutBackDrift implements [Service].
func (c *Client) PutBackDrift(ctx context.Context, id string, req DriftRequest) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("drifts", id, "put-back"), req)
}

// AcceptDrift implements [Service].
func (c *Client) AcceptDrift(ctx context.Context, id string, req DriftRequest) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("drifts", id, "accept"), req)
}
