package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// fake answers what a test needs; every other call is a nil pointer's.
type fake struct {
	api.Service
	err error
}

func (f fake) Begin(_ context.Context, req api.PlanRequest) (*api.Accepted, error) {
	return &api.Accepted{Run: "r-1 for " + req.Group}, f.err
}

func (f fake) Run(_ context.Context, id string) (*api.Run, error) {
	if id != "r/1 %" {
		return nil, &api.Error{Code: api.CodeNotFound, Message: "there is no run " + id}
	}
	return &api.Run{RunLine: api.RunLine{ID: id, State: "running"}}, nil
}

func (f fake) WatchRun(ctx context.Context, id string, send func(*api.Run) error) error {
	for _, state := range []string{"running", "running", "done"} {
		if err := send(&api.Run{RunLine: api.RunLine{ID: id, State: state}, Run: scheduler.Run{Plan: &scheduler.Plan{Run: id}}}); err != nil {
			return err
		}
	}
	return nil
}

func (f fake) SkipStep(_ context.Context, run string, step int, req api.StepRequest) error {
	if step != 7 || req.Reason != "why" {
		return errors.New("it came wrong")
	}
	return f.err
}

func TestWrongRequests(t *testing.T) {
	server := httptest.NewServer(api.Handler(fake{}))
	defer server.Close()
	for what, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"no such thing":       {"GET", "/v1/cats", "", 404, "there is no GET /v1/cats"},
		"another method":      {"DELETE", "/v1/runs", "", 405, "use GET or POST"},
		"only to be read":     {"POST", "/v1/status", "", 405, "use GET"},
		"an empty name":       {"GET", "/v1/runs/", "", 404, "there is no GET /v1/runs/"},
		"broken JSON":         {"POST", "/v1/runs", `{"group":`, 400, "cannot be read"},
		"an unknown field":    {"POST", "/v1/runs", `{"grop":"a"}`, 400, "grop"},
		"a wrong type":        {"POST", "/v1/runs", `{"group":7}`, 400, "cannot be read"},
		"a bracket too many":  {"POST", "/v1/runs", `{"group":"a"}}`, 400, "more than one"},
		"two values":          {"POST", "/v1/runs", `{"group":"a"}{"group":"b"}`, 400, "more than one"},
		"more than is read":   {"POST", "/v1/runs", `{"group":"` + strings.Repeat("a", api.MaxBody) + `"}`, 400, "too large"},
		"a step that is none": {"POST", "/v1/runs/r-1/steps/first/retry", "", 400, "a step is a number"},
		"an unknown run":      {"GET", "/v1/runs/r-9/watch", "", 404, "there is no run r-9"},
	} {
		req, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(answer), c.says) || !strings.Contains(string(answer), `"error"`) {
			t.Errorf("%s: got %d %s, want %d and the words %q", what, resp.StatusCode, answer, c.status, c.says)
		}
	}
}

// serve serves on a unix socket, and gives the client of it.
func serve(t *testing.T, s api.Service) *api.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "hs")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Handler(s)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close(); os.RemoveAll(dir) })
	return api.NewClient(socket)
}

func TestAClientHasTheServersErrors(t *testing.T) {
	for code := range map[string]bool{api.CodeUsage: true, api.CodeNotFound: true, api.CodeRefused: true, api.CodeWaits: true, api.CodeFailed: true} {
		want := &api.Error{Code: code, Message: "no", Next: "do this"}
		_, err := serve(t, fake{err: want}).Begin(t.Context(), api.PlanRequest{Group: "a"})
		var got *api.Error
		if !errors.As(err, &got) || *got != *want {
			t.Errorf("%s comes as %v", code, err)
		}
	}
	_, err := serve(t, fake{err: errors.New("of no code")}).Begin(t.Context(), api.PlanRequest{})
	var got *api.Error
	if !errors.As(err, &got) || got.Code != api.CodeFailed || got.Message != "of no code" {
		t.Errorf("got %v", err)
	}
}

func TestAClientPassesNamesWhole(t *testing.T) {
	c := serve(t, fake{})
	if got, err := c.Begin(t.Context(), api.PlanRequest{Group: "a/b %20 ☃"}); err != nil || got.Run != "r-1 for a/b %20 ☃" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Run(t.Context(), "r/1 %"); err != nil || got.ID != "r/1 %" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.SkipStep(t.Context(), "r-1", 7, api.StepRequest{Reason: "why"}); err != nil {
		t.Error(err)
	}
}

func TestNoServerSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	l, err := net.Listen("unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // a server that was killed leaves its socket
	for _, socket := range []string{filepath.Join(dir, "none"), dead} {
		_, err := api.NewClient(socket).Status(t.Context())
		var told *api.Error
		if !errors.Is(err, api.ErrNoServer) || !errors.As(err, &told) || told.Code != api.CodeFailed ||
			told.Message != "no hotspare server answers on "+socket || !strings.Contains(told.Next, "hotspare server") {
			t.Errorf("got %v: %+v", err, told)
		}
	}
}

// A server that goes away may have done what it was asked.
func TestAServerThatGoesAwaySaysSo(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	c := api.NewClient(socket)
	var told *api.Error
	if _, err := c.Begin(t.Context(), api.PlanRequest{}); !errors.As(err, &told) || !strings.Contains(told.Next, "it may have begun all the same") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.As(err, &told) || told.Next != "try again when it is back" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestEachCodeHasItsStatus(t *testing.T) {
	for code, status := range map[string]int{api.CodeUsage: 400, api.CodeDenied: 401, api.CodeNotFound: 404, api.CodeMethod: 405,
		api.CodeRefused: 409, api.CodeWaits: 409, api.CodeFailed: 500, "of tomorrow": 500} {
		w := httptest.NewRecorder()
		api.Fail(w, fmt.Errorf("wrapped: %w", &api.Error{Code: code, Message: "no"}))
		if w.Code != status || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
	}
}

// answers gives what it was made with.
type answers struct {
	api.Service
	accepted api.Accepted
}

func (a answers) Begin(context.Context, api.PlanRequest) (*api.Accepted, error) {
	return &a.accepted, nil
}

func TestProgramsReadTheOutcome(t *testing.T) {
	workspace := func(state string) *api.Workspace { return &api.Workspace{State: state} }
	for want, accepted := range map[string][]api.Accepted{
		api.OutcomePlanned: {{Plan: &scheduler.Plan{}}},
		api.OutcomeBegun:   {{Run: "r-1", Plan: &scheduler.Plan{}}, {Run: "r-1", Workspace: workspace(scheduler.WorkspaceLending)}},
		api.OutcomeAlready: {{Run: "r-1", Already: "payments is reclaimed already, by run r-1"}, {Already: "there is nothing to revert"},
			{Run: "r-1", Already: "workspace ws-1 is being returned, by run r-1", Workspace: workspace(scheduler.WorkspaceReturning)}},
		api.OutcomeQueued: {{Workspace: workspace(scheduler.WorkspaceWaiting)}},
		api.OutcomeNoted:  {{Already: "its return is noted: a run works on it", Workspace: workspace(scheduler.WorkspaceReturning)}},
		api.OutcomeGone:   {{Already: "its request is withdrawn", Workspace: workspace(scheduler.WorkspaceGone)}},
	} {
		for _, a := range accepted {
			got, err := serve(t, answers{accepted: a}).Begin(t.Context(), api.PlanRequest{})
			if err != nil || got.Outcome != want {
				t.Errorf("%+v is %q, not %q: %v", a, got.Outcome, want, err)
			}
		}
	}
}
