// Package server is the service that wires it all: it holds the journal, the engine and
// the drivers of one site, answers the API, and tends what time and events bring: the
// queue, leases, returns.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/execute"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// Driver is one cluster's driver as the server is given it.
type Driver struct {
	drivers.Driver
	// Configuration for it; the server calls Configure until it succeeds.
	Configuration drivers.Configuration
	// Explain adds to an error of Configure where the wrong attribute stands; may be nil.
	Explain func(error) error
	// Status of its process; nil where it has none of its own.
	Status func() DriverStatus
	// Retry tries at once to launch a driver that is held; nil where it has no process.
	Retry func()
}

// DriverStatus is how a driver's process is.
type DriverStatus struct {
	PID      int
	Restarts int
	Held     bool      // it is launched again only now and then, or when a person asks
	Error    string    // why it does not run; empty where it does
	Proven   time.Time // when it last proved that it works
}

// Options of a server.
type Options struct {
	Version string
	Site    *scheduler.Site
	Drivers map[string]Driver // by cluster: one for each of the site
	// Ready asks a service whether it is ready; nil: [CheckReady].
	Ready func(ctx context.Context, check *scheduler.ReadyCheck) error
	// InventoryEvery is how often the inventory is read; 0: 30 s. TendEvery is how often
	// the queue and the leases are looked at when nothing happens; 0: 5 s.
	InventoryEvery time.Duration
	TendEvery      time.Duration
	// DriftEvery is how often it is looked for drift; 0: 3 min.
	DriftEvery time.Duration
	RetryFor   time.Duration // see [execute.Options]
	ReserveMiB int           // see [journal.Options]
	Log        *slog.Logger
}

// Server serves one site. Its methods may be called at once from many goroutines.
type Server struct {
	opts    Options
	site    *scheduler.Site
	log     *slog.Logger
	started time.Time
	journal *journal.Journal
	engine  *execute.Engine
	drivers map[string]*driver
	ctx     context.Context
	stop    context.CancelFunc
	work    sync.WaitGroup
	poke    chan struct{} // tend now

	mu        sync.Mutex
	inventory scheduler.Inventory // replaced, never changed
	refused   refusals            // signals
}

// New opens the journal, starts the drivers' care and goes on with every run that was cut
// off. The caller serves [Server.Handler] and [Server.TriggerHandler], and calls Close at
// the end.
func New(opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.InventoryEvery == 0 {
		opts.InventoryEvery = 30 * time.Second
	}
	if opts.TendEvery == 0 {
		opts.TendEvery = 5 * time.Second
	}
	if opts.DriftEvery == 0 {
		opts.DriftEvery = 3 * time.Minute
	}
	if opts.Ready == nil {
		opts.Ready = CheckReady
	}
	j, err := journal.Open(filepath.Join(opts.Site.StateDir, "journal.db"), journal.Options{Site: opts.Site.Name, Log: opts.Log, ReserveMiB: opts.ReserveMiB})
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, site: opts.Site, log: opts.Log, started: time.Now(), journal: j,
		drivers: map[string]*driver{}, poke: make(chan struct{}, 1)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.prepare(); err != nil {
		s.stop()
		return nil, errors.Join(err, j.Close())
	}
	s.engine = execute.New(execute.Options{
		Site: s.site.Name, Journal: j, Driver: s.driverOf, Away: s.away, Ready: opts.Ready, RetryFor: opts.RetryFor, Log: opts.Log,
		Ended: func(string) { s.refresh(); s.tendSoon() },
	})
	for _, d := range s.drivers {
		s.work.Go(func() { d.care(s.ctx) })
	}
	var running []string
	j.View(func(state *scheduler.State) {
		for _, run := range state.RunningRuns() {
			running = append(running, run.ID)
		}
	})
	for _, run := range running {
		s.log.Info("going on with a run that was cut off", "run", run)
		s.engine.Start(run)
	}
	s.work.Go(s.tend)
	s.work.Go(s.lookForDrift)
	return s, nil
}

// prepare reads the kept inventory and refuses a configuration that drops what has layers
// on it.
func (s *Server) prepare() error {
	kept, err := s.journal.KeptInventory()
	if err != nil {
		return err
	}
	s.inventory = scheduler.Inventory{}
	for _, cluster := range s.site.Clusters {
		given, ok := s.opts.Drivers[cluster.Name]
		if !ok {
			return fmt.Errorf("cluster %s has no driver", cluster.Name)
		}
		s.drivers[cluster.Name] = newDriver(s, cluster, given)
		if inv := kept[cluster.Name]; inv != nil {
			s.inventory[cluster.Name] = inv
		}
	}
	var dropped error
	s.journal.View(func(state *scheduler.State) { dropped = s.dropped(state) })
	return dropped
}

// dropped names what the configuration lacks and the journal still needs.
func (s *Server) dropped(state *scheduler.State) error {
	for p := range state.Stacks {
		if s.site.Cluster(p.Cluster) == nil {
			return fmt.Errorf("the configuration drops cluster %q, and the journal has layers there (%s); put it back until everything on it was returned and reverted", p.Cluster, p)
		}
	}
	for _, run := range state.Runs {
		group := run.Plan.Group
		if group == "" || s.site.Group(group) != nil {
			continue
		}
		if holders := state.HoldersOf(group); len(holders) > 0 {
			return fmt.Errorf("the configuration drops protection group %q, for which run %s holds layers; put it back until: hotspare revert %s", group, holders[len(holders)-1].ID, group)
		}
	}
	for _, w := range state.SortedWorkspaces() {
		if w.Copy != "" && !w.Gone && s.site.Group(w.Copy) == nil {
			return fmt.Errorf("the configuration drops protection group %q, of which workspace %s is a copy; put it back until: hotspare workspace return %s", w.Copy, w.ID, w.ID)
		}
	}
	return nil
}

// Close ends calls in flight, waits for everything and closes the journal. Runs stay as
// they are in the journal.
func (s *Server) Close() error {
	s.stop()
	s.engine.Close()
	s.work.Wait()
	return s.journal.Close()
}

func (s *Server) driverOf(cluster string) (drivers.Driver, drivers.Description, error) {
	d := s.drivers[cluster]
	if d == nil {
		return nil, drivers.Description{}, &drivers.Error{Kind: drivers.Invalid, Op: "find the driver of cluster", Object: cluster,
			Cause: errors.New("the configuration has no such cluster"), Next: "put it back into the configuration and start the server again"}
	}
	return d.ready()
}

// away reports whether a cluster's driver itself says that it does not reach its site.
func (s *Server) away(cluster string) bool {
	d := s.drivers[cluster]
	return d != nil && d.away()
}

// snapshot is what plans are made from. It is called with the journal's lock held.
func (s *Server) snapshot(state *scheduler.State) *scheduler.Snapshot {
	snap := &scheduler.Snapshot{
		Now: time.Now().UTC(), Site: s.site, State: state, Inventory: s.currentInventory().Since(state),
		Drivers: map[string]drivers.Description{}, Usual: usual(state),
	}
	for name, d := range s.drivers {
		snap.Drivers[name] = d.description()
	}
	return snap
}

func (s *Server) currentInventory() scheduler.Inventory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inventory
}

func (s *Server) setInventory(cluster string, inv *scheduler.ClusterInventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := scheduler.Inventory{}
	for name, old := range s.inventory {
		next[name] = old
	}
	next[cluster] = inv
	s.inventory = next
}
