package main

import (
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// crash starts a command that waits, kills server and driver when the group's run has done
// some of its steps, starts the server again, and lets the command come to its end.
func (s *stage) crash(cmd *exec.Cmd, verb scheduler.Verb, group string, steps int) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	err := s.wait("the run of "+group+" is under way", func() (bool, error) {
		run, err := s.lastRun(verb, group)
		return err == nil && run.Done >= steps, nil
	})
	if err != nil {
		return err
	}
	run, err := s.lastRun(verb, group)
	if err != nil {
		return err
	}
	if run.Done == run.Steps {
		return fmt.Errorf("the %s of %s was over before it could be cut off: the demo would show nothing", run.Verb, group)
	}
	s.say("In the middle of it, with %d of %d steps done, the server dies, and its driver.", run.Done, run.Steps)
	if err := s.kill(); err != nil {
		return err
	}
	if err := s.serve(); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args[1:], " "), err)
	}
	return nil
}

func (s *stage) lastRun(verb scheduler.Verb, group string) (*api.RunLine, error) {
	runs, err := s.client().Runs(s.ctx, true)
	if err != nil {
		return nil, err
	}
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Target == group && runs[i].Verb == verb {
			return &runs[i], nil
		}
	}
	return nil, fmt.Errorf("there is no %s of %s", verb, group)
}

// times tells what took how long.
func (s *stage) times() error {
	runs, err := s.client().Runs(s.ctx, true)
	if err != nil {
		return err
	}
	s.say("What took how long.")
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tWHAT\tSTEPS\tTOOK\tTIME TO READY\tRTO")
	for _, run := range runs {
		ready, rto := "", ""
		if run.Ready > 0 {
			ready, rto = run.Ready.Round(10*time.Millisecond).String(), run.RTO.String()
		}
		fmt.Fprintf(w, "%s\t%s %s\t%d\t%s\t%s\t%s\n", run.ID, run.Verb, run.Target, run.Steps, run.Ended.Sub(run.Accepted).Round(10*time.Millisecond), ready, rto)
	}
	return w.Flush()
}

// noteKept notes the names of the writes that production left.
func (s *stage) noteKept() error {
	status, err := s.client().Status(s.ctx)
	if err != nil {
		return err
	}
	for _, kept := range status.Kept {
		s.kept = append(s.kept, kept.Name)
	}
	return nil
}
