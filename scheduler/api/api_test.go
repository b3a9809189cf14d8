package api_test

import (
	"context"
	"errors"
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
		"another method":      {"DELETE", "/v1/runs", "", 404, "there is no DELETE"},
		"broken JSON":         {"POST", "/v1/runs", `{"group":`, 400, "cannot be read"},
		"an unknown field":    {"POST", "/v1/runs", `{"grop":"a"}`, 400, "grop"},
		"a wrong type":        {"POST", "/v1/runs", `{"group":7}`, 400, "cannot be read"},
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

func TestAWatcherSeesEveryChange(t *testing.T) {
	var states []string
	err := serve(t, fake{}).WatchRun(t.Context(), "r/1 %", func(r *api.Run) error {
		states = append(states, r.State)
		return nil
	})
	if err != nil || strings.Join(states, " ") != "running running done" {
		t.Errorf("%v, %v", states, err)
	}
}

func TestNoServerSaysWhatToDo(t *testing.T) {
	_, err := api.NewClient("/nowhere/s").Status(t.Context())
	if !errors.Is(err, api.ErrNoServer) || !strings.Contains(err.Error(), "hotspare server") {
		t.Errorf("got %v", err)
	}
}
