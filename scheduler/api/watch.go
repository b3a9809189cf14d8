package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// GET /v1/runs/{id}/watch answers with JSON lines, each a [Run]: one at each change, and
// the last when the run is over. The first line is whole. Later ones have no plan, and null
// for each step that is as in the line before: a run of ten thousand steps would be
// megabytes each time. [Client.WatchRun] gives whole runs.

// slowest is how long a watcher may take to read a line before it is given up.
const slowest = 30 * time.Second

// watch serves a run that is watched.
func watch(s Service, w http.ResponseWriter, r *http.Request) {
	if _, err := s.Run(r.Context(), r.PathValue("id")); err != nil {
		Fail(w, err)
		return
	}
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	var last *Run
	_ = s.WatchRun(r.Context(), r.PathValue("id"), func(run *Run) error {
		_ = control.SetWriteDeadline(time.Now().Add(slowest)) // not every writer has one
		err := encoder.Encode(without(run, last))
		last = run
		return errors.Join(err, control.Flush())
	}) // the watcher sees no last line, and watches again
}

// without leaves out of a run what the watcher has from the line before.
func without(run, last *Run) *Run {
	if last == nil || len(last.Run.Steps) != len(run.Run.Steps) {
		return run
	}
	line := *run
	line.Run.Plan = nil
	line.Run.Steps = make([]*scheduler.StepRun, len(run.Run.Steps))
	for i, step := range run.Run.Steps {
		if !reflect.DeepEqual(step, last.Run.Steps[i]) {
			line.Run.Steps[i] = step
		}
	}
	return &line
}

// whole puts back what [without] left out.
func whole(line, last *Run) error {
	switch {
	case line.Run.Plan != nil:
		return nil
	case last == nil || len(last.Run.Steps) != len(line.Run.Steps):
		return errors.New("a line has no plan, and does not go with the one before")
	}
	line.Run.Plan = last.Run.Plan
	for i, step := range line.Run.Steps {
		if step == nil {
			line.Run.Steps[i] = last.Run.Steps[i]
		}
	}
	return nil
}

// WatchRun implements [Service]. send gets whole runs, which share the plan and the steps
// that did not change: it must not change them.
func (c *Client) WatchRun(ctx context.Context, id string, send func(*Run) error) error {
	reader, err := c.open(ctx, http.MethodGet, path("runs", id, "watch"), nil)
	if err != nil {
		return err
	}
	defer reader.Close()
	decoder := json.NewDecoder(reader)
	for last := (*Run)(nil); ; {
		run := &Run{}
		err := decoder.Decode(run)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = whole(run, last)
		}
		if err != nil {
			return fmt.Errorf("watch run %s: %w; the run goes on at the server", id, err)
		}
		if err := send(run); err != nil {
			return err
		}
		last = run
	}
}
