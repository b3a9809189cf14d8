package sim

import (
	"fmt"
	"sync"
	"time"
)

// Site is one simulated recovery site. It outlives the drivers that work on it.
type Site struct {
	mu    sync.Mutex
	state *state
	file  *file // nil: in memory only

	targets targets
	watch   watch
	hook    FaultHook
}

// read runs f on what is at the site now. f must change nothing.
func (s *Site) read(f func(*state) error) error { return s.do(false, f) }

// change runs f on what is at the site now and keeps what it did, whether it fails or
// not: a call that failed may still have changed something.
func (s *Site) change(f func(*state) error) error { return s.do(true, f) }

func (s *Site) do(write bool, f func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		unlock, err := s.file.lock()
		if err != nil {
			return err
		}
		defer unlock()
		if err := s.file.load(&s.state); err != nil {
			return err
		}
	}
	s.state.settle(time.Now())
	err := f(s.state)
	if write && s.file != nil {
		if saveErr := s.file.save(s.state); saveErr != nil {
			return saveErr
		}
	}
	return err
}

// must is for the methods that set a site up: they panic on what a test wrote wrongly.
func (s *Site) must(op string, f func(*state) error) {
	if err := s.change(f); err != nil {
		panic(fmt.Sprintf("sim: %s: %v", op, err))
	}
}

// look is must for those that only read.
func (s *Site) look(op string, f func(*state)) {
	if err := s.read(func(st *state) error { f(st); return nil }); err != nil {
		panic(fmt.Sprintf("sim: %s: %v", op, err))
	}
}

// SetLatency changes how long everything takes from now on.
func (s *Site) SetLatency(l Latency) {
	s.must("set latency", func(st *state) error { st.Latency = l; return nil })
}
