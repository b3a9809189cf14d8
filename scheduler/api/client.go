package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// Client speaks to a server. It is safe for concurrent use.
type Client struct {
	at    string // where the server is, for people
	base  string // of URLs
	token string // bearer token; empty over a unix socket
	http  *http.Client
}

// NewClient makes a client for the server that listens on this unix socket.
func NewClient(socket string) *Client {
	dialer := &net.Dialer{}
	return &Client{at: socket, base: "http://hotspare", http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// ErrNoServer is wrapped by the error of a call that reached no server. That error wraps an
// [*Error] too, which says what to do.
var ErrNoServer = errors.New("no hotspare server answers")

// noServer is the error of a call that reached no server.
type noServer struct{ told Error }

// Error gives "message; next".
func (e *noServer) Error() string { return e.told.Error() }

// Unwrap makes it ErrNoServer and an [*Error].
func (e *noServer) Unwrap() []error { return []error{ErrNoServer, &e.told} }

// unreached tells why a request has no answer.
func (c *Client) unreached(ctx context.Context, method string, err error) error {
	tell := func(message, next string) error {
		return &noServer{Error{Code: CodeFailed, Message: fmt.Sprintf("%s on %s", ErrNoServer, c.at) + message, Next: next}}
	}
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return tell("", "start one with: hotspare server, or say where it is with --socket or --server")
	case errors.Is(err, fs.ErrPermission):
		return tell(": you may not open it", "join the group that owns it, or use sudo")
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE):
		return err
	}
	gone := &Error{Code: CodeFailed, Message: fmt.Sprintf("the server on %s went away before it answered", c.at), Next: "try again when it is back"}
	if method != http.MethodGet {
		gone.Next = "it may have begun all the same; when it is back, see: hotspare run list"
	}
	return gone
}

func (c *Client) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(ctx, method, err)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var failed struct {
		Error *Error `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&failed); err != nil || failed.Error == nil {
		return nil, fmt.Errorf("%s %s: the server answers %s", method, path, resp.Status)
	}
	return nil, failed.Error
}

func call[Answer any](ctx context.Context, c *Client, method, path string, body any) (Answer, error) {
	var answer Answer
	reader, err := c.open(ctx, method, path, body)
	if err != nil {
		return answer, err
	}
	defer reader.Close()
	if err := json.NewDecoder(reader).Decode(&answer); err != nil {
		return answer, fmt.Errorf("%s %s: the server's answer cannot be read: %w", method, path, err)
	}
	return answer, nil
}

func path(parts ...string) string {
	p := "/v1"
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// Status implements [Service].
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[*Status](ctx, c, http.MethodGet, path("status"), nil)
}

// Workspaces implements [Service].
func (c *Client) Workspaces(ctx context.Context, gone bool) ([]Workspace, error) {
	return call[[]Workspace](ctx, c, http.MethodGet, path("workspaces")+all(gone), nil)
}

// Workspace implements [Service].
func (c *Client) Workspace(ctx context.Context, id string) (*Workspace, error) {
	return call[*Workspace](ctx, c, http.MethodGet, path("workspaces", id), nil)
}

// RequestWorkspace implements [Service].
func (c *Client) RequestWorkspace(ctx context.Context, req WorkspaceRequest) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("workspaces"), req)
}

// ReturnWorkspace implements [Service].
func (c *Client) ReturnWorkspace(ctx context.Context, id, by string) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("workspaces", id, "return"), StepRequest{By: by})
}

// ExtendWorkspace implements [Service].
func (c *Client) ExtendWorkspace(ctx context.Context, id string, req ExtendRequest) (*Workspace, error) {
	return call[*Workspace](ctx, c, http.MethodPost, path("workspaces", id, "extend"), req)
}

// Groups implements [Service].
func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	return call[[]Group](ctx, c, http.MethodGet, path("groups"), nil)
}

// Group implements [Service].
func (c *Client) Group(ctx context.Context, name string) (*Group, error) {
	return call[*Group](ctx, c, http.MethodGet, path("groups", name), nil)
}

// Plan implements [Service].
func (c *Client) Plan(ctx context.Context, req PlanRequest) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("plans"), req)
}

// Begin implements [Service].
func (c *Client) Begin(ctx context.Context, req PlanRequest) (*Accepted, error) {
	return call[*Accepted](ctx, c, http.MethodPost, path("runs"), req)
}

// Runs implements [Service].
func (c *Client) Runs(ctx context.Context, ended bool) ([]RunLine, error) {
	return call[[]RunLine](ctx, c, http.MethodGet, path("runs")+all(ended), nil)
}

// Run implements [Service].
func (c *Client) Run(ctx context.Context, id string) (*Run, error) {
	return call[*Run](ctx, c, http.MethodGet, path("runs", id), nil)
}

// RetryStep implements [Service].
func (c *Client) RetryStep(ctx context.Context, run string, step int, req StepRequest) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("runs", run, "steps", strconv.Itoa(step), "retry"), req)
	return err
}

// SkipStep implements [Service].
func (c *Client) SkipStep(ctx context.Context, run string, step int, req StepRequest) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("runs", run, "steps", strconv.Itoa(step), "skip"), req)
	return err
}

// Drivers implements [Service].
func (c *Client) Drivers(ctx context.Context) ([]Driver, error) {
	return call[[]Driver](ctx, c, http.MethodGet, path("drivers"), nil)
}

// CheckDriver implements [Service].
func (c *Client) CheckDriver(ctx context.Context, cluster string) (*DriverCheck, error) {
	return call[*DriverCheck](ctx, c, http.MethodPost, path("drivers", cluster, "check"), nil)
}

func all(yes bool) string {
	if yes {
		return "?all"
	}
	return ""
}

var _ Service = (*Client)(nil)
