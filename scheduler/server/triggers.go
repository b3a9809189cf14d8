package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
	"github.com/hotspare/hotspare/scheduler/trigger"
)

// TriggerHandler serves what monitoring posts to, and nothing else. Each trigger has a
// token of its own.
func (s *Server) TriggerHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/triggers/alertmanager", s.alertmanager)
	return mux
}

func (s *Server) alertmanager(w http.ResponseWriter, r *http.Request) {
	config := s.triggerOf("alertmanager", r.Header.Get("Authorization"))
	if config == nil {
		s.refuseSignal("a signal came without the bearer token of an alertmanager trigger")
		api.Fail(w, &api.Error{Code: api.CodeDenied, Message: "the bearer token is not that of an alertmanager trigger", Next: "set credentials_file in Alertmanager to the trigger's token_file"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, trigger.MaxBody))
	if err == nil && !json.Valid(body) {
		err = errors.New("it is not JSON")
	}
	if err != nil {
		s.refuseSignal(fmt.Sprintf("trigger %s: the body cannot be read: %s", config.Name, err))
		api.Fail(w, &api.Error{Code: api.CodeUsage, Message: "the body cannot be read: " + err.Error()})
		return
	}
	signals, err := trigger.Alertmanager(body, config.GroupLabel)
	if err != nil {
		s.refuseSignal(fmt.Sprintf("trigger %s: %s", config.Name, err))
		api.Fail(w, &api.Error{Code: api.CodeUsage, Message: err.Error()})
		return
	}
	result, acted := api.AlertResult{}, false
	var failed error
	for _, signal := range signals {
		outcome, err := s.signal(r.Context(), config, signal)
		if err != nil {
			failed = errors.Join(failed, err)
			s.refuseSignal(err.Error())
			continue
		}
		acted = acted || outcome.Run != "" || !signal.Firing
		if outcome.Run == "" && signal.Firing {
			s.refuseSignal(fmt.Sprintf("alert %s: %s", signal.Alert, outcome.Outcome))
		}
		result.Alerts = append(result.Alerts, outcome)
		s.log.Info("alert", "alert", signal.Alert, "group", signal.Group, "run", outcome.Run, "outcome", outcome.Outcome)
	}
	if failed != nil {
		s.log.Error("alert", "error", failed)
		api.Fail(w, failed) // what began stays begun; a repeat begins only the rest
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !acted {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_ = json.NewEncoder(w).Encode(result)
}

// remember has an alert that began nothing, because another alert had begun that run, begin
// nothing later either. Where a person had, for a rehearsal say, its repeat after the revert
// is the first word of it.
func (s *Server) remember(ctx context.Context, seen journal.Record, id string) error {
	return s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		run := state.Runs[id]
		if _, known := state.Alerts[seen.AlertSeen.Key]; known || run == nil || !strings.HasPrefix(run.Plan.By, byTrigger) {
			return nil, nil
		}
		return []journal.Record{seen}, nil
	})
}

// refuseSignal has a person learn of a signal that began nothing: at the sender, in the log
// and in the status, for the sender may be a machine.
func (s *Server) refuseSignal(reason string) {
	s.log.Warn("signal refused", "reason", reason)
	s.refused.note(reason, time.Now().UTC())
}

// triggerOf finds the trigger whose token was sent, in a time that does not tell how much
// of it was right.
func (s *Server) triggerOf(kind, authorization string) *scheduler.Trigger {
	var found *scheduler.Trigger
	for i := range s.site.Triggers {
		if t := &s.site.Triggers[i]; t.Kind == kind && bears(authorization, t.Token) {
			found = t
		}
	}
	return found
}

// byTrigger begins the name of who asked for what a trigger began.
const byTrigger = "trigger "

// signal acts on one alert. An error is one that the sender should try again.
func (s *Server) signal(ctx context.Context, config *scheduler.Trigger, signal trigger.Signal) (api.AlertOutcome, error) {
	outcome := api.AlertOutcome{Group: signal.Group}
	switch {
	case !signal.Firing:
		outcome.Outcome = "resolved: noted, and nothing is undone by it; an operator reverts"
		return outcome, nil
	case signal.Group == "":
		outcome.Outcome = fmt.Sprintf("the alert has no label %q, so it names no protection group", config.GroupLabel)
		return outcome, nil
	case s.site.Group(signal.Group) == nil:
		outcome.Outcome = fmt.Sprintf("there is no protection group %q; the label %q must name one", signal.Group, config.GroupLabel)
		return outcome, nil
	}
	seen := journal.Record{AlertSeen: &journal.AlertSeen{Key: signal.Key}}
	reason := "alert " + signal.Alert
	if signal.Summary != "" {
		reason += ": " + signal.Summary
	}
	p, err := s.accept(ctx, func(snap *scheduler.Snapshot) (*scheduler.Plan, error) {
		if at, again := snap.State.Alerts[signal.Key]; again {
			return nil, &plan.Already{Reason: "a repeat of an alert that was seen at " + at.Format("15:04:05Z07:00")}
		}
		return plan.Reclaim(snap, plan.Request{Group: signal.Group, By: byTrigger + config.Name, Reason: reason})
	}, seen)
	var already *plan.Already
	switch {
	case err == nil:
		outcome.Run, outcome.Outcome = p.Run, fmt.Sprintf("reclaim of %s begun as run %s", signal.Group, p.Run)
		return outcome, nil
	case errors.As(err, &already):
		if err := s.remember(ctx, seen, already.Run); err != nil {
			return outcome, fmt.Errorf("remember alert %s of %s: %w", signal.Alert, signal.Group, err)
		}
		outcome.Run, outcome.Outcome = already.Run, already.Reason
		if outcome.Run == "" {
			outcome.Run = "-"
		}
		return outcome, nil
	default:
		return outcome, fmt.Errorf("reclaim %s for alert %s: %w", signal.Group, signal.Alert, err)
	}
}
