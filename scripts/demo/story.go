package main

import (
	_ "embed"

	"github.com/hotspare/hotspare/scheduler"
)

// alertBody is what a real Alertmanager 0.25 posted.
//
//go:embed alert.json
var alertBody []byte

// story is what happens, in order.
type story struct {
	*stage
	empty string // dump before anything
	lent  string // dump before the alert
}

func (s *story) play() error {
	for _, scene := range []func() error{s.open, s.lend, s.alarm, s.failover, s.returnParked, s.revert, s.compareLent, s.close, s.compareEmpty, s.times} {
		if err := scene(); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) open() (err error) {
	s.say("A recovery site idles: a simulated vCenter, a process of its own, and a hotspare server beside it.")
	if err := s.serve(); err != nil {
		return err
	}
	if s.empty, err = s.at.dump(s.ctx); err != nil {
		return err
	}
	return s.run(0, "status")
}

func (s *story) lend() (err error) {
	s.say("Anna wants a copy of erp-dr with real data, Ben three fresh load generators.")
	if err := s.run(0, "workspace", "request", "--copy", "erp-dr", "--for", "4h", "--owner", "anna", "--name", "load test"); err != nil {
		return err
	}
	if err := s.run(0, "workspace", "request", "--template", "loadgen", "--count", "3", "--for", "2h", "--owner", "ben"); err != nil {
		return err
	}
	if err := s.run(0, "workspace", "list"); err != nil {
		return err
	}
	s.lent, err = s.at.dump(s.ctx)
	return err
}

func (s *story) alarm() error {
	s.say("03:00. Monitoring says that production of erp-dr is down. Nobody is awake yet, and erp-dr is reclaimed.")
	result, err := s.alert(alertBody)
	if err != nil {
		return err
	}
	s.say("Alertmanager repeats itself; that starts nothing.")
	if _, err := s.alert(alertBody); err != nil {
		return err
	}
	if err := s.run(0, "run", "watch", result.Alerts[0].Run); err != nil {
		return err
	}
	return s.run(0, "workspace", "list")
}

func (s *story) failover() error {
	s.say("The operator reads the plan. It changes nothing, and says whose word it waits for.")
	if err := s.run(0, "plan", "failover", "erp-dr"); err != nil {
		return err
	}
	s.say("Production is dead, says Maria, who stands for it with her name. payments goes too; it comes second.")
	if err := s.run(0, "failover", "erp-dr", "--declared-dead-by", "maria", "--wait=false"); err != nil {
		return err
	}
	cmd := s.command("failover", "payments", "--declared-dead-by", "maria")
	if err := s.crash(cmd, scheduler.Failover, "erp-dr", 5); err != nil {
		return err
	}
	run, err := s.lastRun(scheduler.Failover, "erp-dr")
	if err != nil {
		return err
	}
	if err := s.run(0, "run", "watch", run.ID); err != nil {
		return err
	}
	return s.run(0, "group", "list")
}

func (s *story) returnParked() error {
	s.say("Ben does not need his load generators any more. They are parked, and can be returned all the same.")
	if err := s.run(0, "workspace", "return", "ws-2"); err != nil {
		return err
	}
	return s.run(0, "status")
}

func (s *story) revert() error {
	s.say("Production is mended. The groups go home in the order in which they came.")
	cmd := s.command("revert", "erp-dr", "--writes", "kept", "--by", "maria")
	if err := s.crash(cmd, scheduler.Revert, "erp-dr", 3); err != nil {
		return err
	}
	if err := s.run(0, "revert", "payments", "--writes", "kept", "--by", "maria"); err != nil {
		return err
	}
	err := s.wait("ws-1 is lent again", func() (bool, error) {
		w, err := s.client().Workspace(s.ctx, "ws-1")
		return err == nil && w.State == "lent", nil
	})
	if err != nil {
		return err
	}
	s.say("Anna's copy is back, with what she had written, and her lease has stood still meanwhile.")
	return s.run(0, "workspace", "list")
}

// compareLent: after the reverts the site is as before the alert, less the workspace that
// was returned.
func (s *story) compareLent() error {
	if err := s.noteKept(); err != nil {
		return err
	}
	return s.compare("after the reverts, with the site before the alert less ws-2", without(s.lent, "ws-2"))
}

func (s *story) close() error {
	s.say("Anna returns her copy.")
	return s.run(0, "workspace", "return", "ws-1")
}

func (s *story) compareEmpty() error {
	return s.compare("at the very end, with the site before anything", s.empty)
}
