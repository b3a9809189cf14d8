package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Service is what the handler serves. Errors are [*Error] where the client can do
// something about them; any other is CodeFailed.
type Service interface {
	Hosts
	Drifts
	Status(ctx context.Context) (*Status, error)
	Workspaces(ctx context.Context, gone bool) ([]Workspace, error)
	Workspace(ctx context.Context, id string) (*Workspace, error)
	RequestWorkspace(ctx context.Context, req WorkspaceRequest) (*Accepted, error)
	ReturnWorkspace(ctx context.Context, id, by string) (*Accepted, error)
	ExtendWorkspace(ctx context.Context, id string, req ExtendRequest) (*Workspace, error)
	Groups(ctx context.Context) ([]Group, error)
	Group(ctx context.Context, name string) (*Group, error)
	Plan(ctx context.Context, req PlanRequest) (*Accepted, error)
	Begin(ctx context.Context, req PlanRequest) (*Accepted, error)
	Runs(ctx context.Context, all bool) ([]RunLine, error)
	Run(ctx context.Context, id string) (*Run, error)
	// WatchRun calls send at each change until the run is over.
	WatchRun(ctx context.Context, id string, send func(*Run) error) error
	RetryStep(ctx context.Context, run string, step int, req StepRequest) error
	SkipStep(ctx context.Context, run string, step int, req StepRequest) error
	Drivers(ctx context.Context) ([]Driver, error)
	CheckDriver(ctx context.Context, cluster string) (*DriverCheck, error)
}

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 1 << 20

// Handler serves the interface for people and programs. It does not authenticate: the
// permissions of the unix socket do.
func Handler(s Service) http.Handler {
	mux := http.NewServeMux()
	get(mux, "/v1/status", func(ctx context.Context, _ *http.Request) (any, error) { return s.Status(ctx) })
	get(mux, "/v1/workspaces", func(ctx context.Context, r *http.Request) (any, error) {
		return s.Workspaces(ctx, r.URL.Query().Has("all"))
	})
	get(mux, "/v1/workspaces/{id}", func(ctx context.Context, r *http.Request) (any, error) {
		return s.Workspace(ctx, r.PathValue("id"))
	})
	post(mux, "/v1/workspaces", func(ctx context.Context, _ *http.Request, req WorkspaceRequest) (any, error) {
		return s.RequestWorkspace(ctx, req)
	})
	post(mux, "/v1/workspaces/{id}/return", func(ctx context.Context, r *http.Request, req StepRequest) (any, error) {
		return s.ReturnWorkspace(ctx, r.PathValue("id"), req.By)
	})
	post(mux, "/v1/workspaces/{id}/extend", func(ctx context.Context, r *http.Request, req ExtendRequest) (any, error) {
		return s.ExtendWorkspace(ctx, r.PathValue("id"), req)
	})
	get(mux, "/v1/groups", func(ctx context.Context, _ *http.Request) (any, error) { return s.Groups(ctx) })
	get(mux, "/v1/groups/{name}", func(ctx context.Context, r *http.Request) (any, error) {
		return s.Group(ctx, r.PathValue("name"))
	})
	post(mux, "/v1/plans", func(ctx context.Context, _ *http.Request, req PlanRequest) (any, error) { return s.Plan(ctx, req) })
	post(mux, "/v1/runs", func(ctx context.Context, _ *http.Request, req PlanRequest) (any, error) { return s.Begin(ctx, req) })
	get(mux, "/v1/runs", func(ctx context.Context, r *http.Request) (any, error) {
		return s.Runs(ctx, r.URL.Query().Has("all"))
	})
	get(mux, "/v1/runs/{id}", func(ctx context.Context, r *http.Request) (any, error) { return s.Run(ctx, r.PathValue("id")) })
	mux.HandleFunc("GET /v1/runs/{id}/watch", func(w http.ResponseWriter, r *http.Request) { watch(s, w, r) })
	step(mux, "retry", s.RetryStep)
	step(mux, "skip", s.SkipStep)
	get(mux, "/v1/drivers", func(ctx context.Context, _ *http.Request) (any, error) { return s.Drivers(ctx) })
	post(mux, "/v1/drivers/{cluster}/check", func(ctx context.Context, r *http.Request, _ struct{}) (any, error) {
		return s.CheckDriver(ctx, r.PathValue("cluster"))
	})
	hosts(mux, s)
	drifts(mux, s)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { nowhere(mux, w, r) })
	return mux
}

// nowhere answers what no pattern matches: it tells the wrong method from the wrong path.
func nowhere(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	e := &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path), Next: "the server's version may differ from the client's: hotspare status"}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		e.Code, e.Next = CodeMethod, "use "+strings.Join(allowed, " or ")
	}
	Fail(w, e)
}

func get(mux *http.ServeMux, path string, serve func(context.Context, *http.Request) (any, error)) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		answer, err := serve(r.Context(), r)
		reply(w, answer, err)
	})
}

func post[Req any](mux *http.ServeMux, path string, serve func(context.Context, *http.Request, Req) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if err := decode(w, r, &req); err != nil {
			Fail(w, err)
			return
		}
		answer, err := serve(r.Context(), r, req)
		reply(w, answer, err)
	})
}

func step(mux *http.ServeMux, verb string, act func(context.Context, string, int, StepRequest) error) {
	post(mux, "/v1/runs/{id}/steps/{step}/"+verb, func(ctx context.Context, r *http.Request, req StepRequest) (any, error) {
		n, err := strconv.Atoi(r.PathValue("step"))
		if err != nil {
			return nil, &Error{Code: CodeUsage, Message: fmt.Sprintf("a step is a number, not %q", r.PathValue("step")), Next: "see: hotspare run show " + r.PathValue("id")}
		}
		return struct{}{}, act(ctx, r.PathValue("id"), n, req)
	})
}

// decode reads a body. An empty one is an empty request.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return &Error{Code: CodeUsage, Message: "the request's body cannot be read: " + err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &Error{Code: CodeUsage, Message: "the request's body holds more than one JSON value", Next: "send one"}
	}
	return nil
}

func reply(w http.ResponseWriter, answer any, err error) {
	if err != nil {
		Fail(w, err)
		return
	}
	if accepted, ok := answer.(*Accepted); ok {
		accepted.Outcome = accepted.outcome()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client has gone, where this fails
}

// Fail answers with an error.
func Fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeFailed, Message: err.Error()}
	}
	status := map[string]int{
		CodeUsage: http.StatusBadRequest, CodeNotFound: http.StatusNotFound, CodeRefused: http.StatusConflict,
		CodeWaits: http.StatusConflict, CodeDenied: http.StatusUnauthorized, CodeMethod: http.StatusMethodNotAllowed,
	}[e.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]*Error{"error": e})
}
