// Package execute runs plans: in parallel within the drivers' limits, durable, resumable.
//
// What was found is in the journal before a change begins, and what stands is there
// before a step that waits for it. A step that fails never unwinds the run; other
// branches go on. A run that was cut off, by the end of the process or by another run, is
// finished from the journal alone.
package execute

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Journal is what the engine needs of the journal. Each method returns when its record is
// durable, and fails where the record does not follow from the state.
type Journal interface {
	View(read func(*scheduler.State))
	Begin(ctx context.Context, run string, step int, found *drivers.Value, goal drivers.Value, force bool) (expected []drivers.Value, err error)
	BeginCheck(ctx context.Context, run string, step int) error
	Finish(ctx context.Context, run string, step int, stands *drivers.Value, note string) error
	Supersede(ctx context.Context, run string, step int, by string) error
	Hold(ctx context.Context, run string, step int, reason string, found *drivers.Value) error
	EndRun(ctx context.Context, run string) error
}

// Options of an engine.
type Options struct {
	Site    string // the site's id, for owner marks
	Journal Journal
	// Driver gives a cluster's driver and what it described.
	Driver func(cluster string) (drivers.Driver, drivers.Description, error)
	// Away reports whether a cluster is known not to answer at all: what fails there
	// meanwhile is not held against the step; nil: never known.
	Away func(cluster string) bool
	// Ready asks a service whether it is ready; nil error is yes.
	Ready func(ctx context.Context, check *scheduler.ReadyCheck) error
	// RetryFor is how long a step is tried again before it is held; 0: 10 minutes.
	RetryFor time.Duration
	Log      *slog.Logger
	// Ended is called when a run is done or was taken over, and none of its calls is in
	// flight any more, from the run's own goroutine; may be nil.
	Ended func(run string)
}

// Engine runs plans. All methods may be called at once from many goroutines.
type Engine struct {
	opts    Options
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	slots   *slots

	mu      sync.Mutex
	started int // runs, ever
	runs    map[string]*live
	notes   map[noteKey]Note
}

// live is a run that runs here.
type live struct {
	order int // how many runs were started before it
	wake  chan struct{}
	// ctx ends when the run was taken over: what waits is given up, calls in flight are not.
	ctx  context.Context
	stop context.CancelFunc
}

type noteKey struct {
	run  string
	step int
}

// Note is what a step in flight last told: advisory, and lost with the process.
type Note struct {
	Message string    `json:"message"`
	Percent int       `json:"percent,omitempty"`
	At      time.Time `json:"at"`
}

// New makes an engine. Call [Engine.Start] for every run that the journal says is
// running, and [Engine.Close] at the end.
func New(opts Options) *Engine {
	if opts.RetryFor == 0 {
		opts.RetryFor = 10 * time.Minute
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Engine{opts: opts, ctx: ctx, stop: stop, slots: newSlots(),
		runs: map[string]*live{}, notes: map[noteKey]Note{}}
}

// Start begins, or goes on with, a run that the journal says is running. Starting a run
// that runs here already only wakes it: call it too when a held step was retried or
// skipped. The runs that its plan takes over are stopped.
func (e *Engine) Start(run string) {
	var takesOver []string
	e.opts.Journal.View(func(s *scheduler.State) {
		if r := s.Runs[run]; r != nil {
			takesOver = r.Plan.TakesOver
		}
	})
	for _, other := range takesOver {
		e.giveUp(other)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, runs := e.runs[run]; runs {
		l.poke()
		return
	}
	if e.ctx.Err() != nil {
		return
	}
	l := &live{order: e.started, wake: make(chan struct{}, 1)}
	l.ctx, l.stop = context.WithCancel(e.ctx)
	e.started++
	e.runs[run] = l
	e.running.Go(func() {
		e.loop(run, l)
		l.stop()
		e.mu.Lock()
		delete(e.runs, run)
		e.mu.Unlock()
		if e.opts.Ended != nil && e.ctx.Err() == nil {
			e.opts.Ended(run)
		}
	})
}

// giveUp tells a run that it was taken over: it begins nothing more, gives up what waits for
// its turn or for another attempt, and ends when its calls in flight have. The journal
// must say so already.
func (e *Engine) giveUp(run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, runs := e.runs[run]; runs {
		l.stop()
		l.poke()
	}
}

func (l *live) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close ends all calls in flight and waits for them. The runs stay as the journal has
// them, to be gone on with.
func (e *Engine) Close() {
	e.mu.Lock()
	e.stop() // no run is started after it
	e.mu.Unlock()
	e.running.Wait()
}

// Notes gives what the steps of a run that are in flight last told, by step.
func (e *Engine) Notes(run string) map[int]Note {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[int]Note{}
	for key, note := range e.notes {
		if key.run == run {
			all[key.step] = note
		}
	}
	return all
}

func (e *Engine) note(run string, step int, message string, percent int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if message == "" {
		delete(e.notes, noteKey{run, step})
		return
	}
	e.notes[noteKey{run, step}] = Note{message, percent, time.Now()}
}

// again is how long the engine waits before it asks a journal again that recorded nothing.
const again = time.Second

// loop runs one run until it is over, taken over or the engine closes. It looks at all
// steps each time some have ended: with 10,000 of them that is a small part of what their
// commits cost.
func (e *Engine) loop(id string, l *live) {
	ended := make(chan int)
	inFlight := map[int]bool{}
	for {
		var ready []int
		var state scheduler.RunState
		finished := false
		e.opts.Journal.View(func(s *scheduler.State) {
			run := s.Runs[id]
			if run == nil {
				return
			}
			state, finished = run.State, run.Finished()
			if state == scheduler.Running && !finished && e.ctx.Err() == nil {
				ready = readySteps(run, inFlight)
			}
		})
		for _, step := range ready {
			inFlight[step] = true
			go func() {
				e.step(l, id, step)
				ended <- step
			}()
		}
		var retry <-chan time.Time
		if len(inFlight) == 0 {
			switch {
			case state != scheduler.Running, e.ctx.Err() != nil:
				return
			case finished:
				err := e.opts.Journal.EndRun(e.ctx, id)
				if err == nil {
					return
				}
				e.opts.Log.Error("end run", "run", id, "error", err)
				retry = time.After(again)
			}
		}
		select {
		case step := <-ended:
			delete(inFlight, step)
			drain(ended, inFlight)
		case <-l.wake:
		case <-retry:
		case <-e.done(inFlight):
		}
	}
}

// done wakes the loop at the engine's end, once no step is left to wait for.
func (e *Engine) done(inFlight map[int]bool) <-chan struct{} {
	if len(inFlight) > 0 {
		return nil
	}
	return e.ctx.Done()
}

func drain(ended <-chan int, inFlight map[int]bool) {
	for {
		select {
		case step := <-ended:
			delete(inFlight, step)
		default:
			return
		}
	}
}

func readySteps(run *scheduler.Run, inFlight map[int]bool) []int {
	var ready []int
	for i, sr := range run.Steps {
		step := &run.Plan.Steps[i]
		if (sr.State == scheduler.Pending || sr.State == scheduler.Intent) && !inFlight[step.ID] && run.Ready(step) {
			ready = append(ready, step.ID)
		}
	}
	return ready
}
