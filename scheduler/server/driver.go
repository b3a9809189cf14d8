package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// driver is one cluster's driver in the server's care: configured, its health watched,
// its inventory read.
type driver struct {
	server  *Server
	cluster scheduler.Cluster
	given   Driver
	refresh chan struct{}

	mu         sync.Mutex
	about      drivers.Description
	described  bool
	configured bool
	problem    error     // of the last call but the inventory's that failed
	unlisted   error     // why the inventory cannot be read
	reported   time.Time // when health was reported last, or was first to be
	proven     time.Time
	took       time.Duration
	counts     [2]int // hosts, VMs
	inventory  time.Time
}

func newDriver(s *Server, cluster scheduler.Cluster, given Driver) *driver {
	return &driver{server: s, cluster: cluster, given: given, refresh: make(chan struct{}, 1)}
}

// care describes and configures the driver until that succeeds, and then watches it until
// ctx ends.
func (d *driver) care(ctx context.Context) {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		err := d.begin(ctx)
		d.failed(err)
		if err == nil {
			break
		}
		d.server.log.Error("driver", "cluster", d.cluster.Name, "error", err)
		wait(ctx, pause, nil)
	}
	var both sync.WaitGroup
	both.Go(func() { d.watchHealth(ctx) })
	both.Go(func() { d.readInventory(ctx) })
	both.Wait()
}

func (d *driver) begin(ctx context.Context) error {
	about, err := d.given.Describe(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.about, d.described = about, true
	d.mu.Unlock()
	if err := d.given.Configure(ctx, d.given.Configuration); err != nil {
		if d.given.Explain != nil {
			err = d.given.Explain(err)
		}
		return err
	}
	d.mu.Lock()
	d.configured, d.reported = true, time.Now()
	d.mu.Unlock()
	return nil
}

// ready gives the driver, or Unavailable while it is not configured.
func (d *driver) ready() (drivers.Driver, drivers.Description, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.configured {
		return d.given.Driver, d.about, nil
	}
	cause := d.problem
	if cause == nil {
		cause = errors.New("it starts")
	}
	return nil, drivers.Description{}, &drivers.Error{Kind: drivers.Unavailable, Op: "use the driver of cluster", Object: d.cluster.Name, Cause: cause}
}

// away reports whether the driver is not there, or said last that its site does not answer.
func (d *driver) away() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.configured || d.problem != nil || d.silence() != nil
}

func (d *driver) description() drivers.Description {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.about
}

func (d *driver) failed(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problem = err
}

func (d *driver) watchHealth(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.given.Health(ctx, func(h drivers.Health) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.problem, d.took, d.reported = nil, h.Took, time.Now()
			if h.OK {
				d.proven = h.At
			} else {
				d.problem = errors.New(h.Error)
			}
			return nil
		})
		if ctx.Err() == nil {
			d.failed(err)
			wait(ctx, time.Second, nil)
		}
	}
}

// readInventory keeps the inventory fresh. Old news stays until there is better.
func (d *driver) readInventory(ctx context.Context) {
	for ctx.Err() == nil {
		inv, err := d.list(ctx)
		if err != nil {
			if ctx.Err() == nil {
				d.server.log.Error("inventory", "cluster", d.cluster.Name, "error", err)
				d.mu.Lock()
				d.unlisted = err
				d.mu.Unlock()
			}
			wait(ctx, time.Second, d.refresh)
			continue
		}
		d.server.setInventory(d.cluster.Name, inv)
		d.mu.Lock()
		d.inventory, d.counts, d.unlisted = inv.At, [2]int{len(inv.Hosts), len(inv.VMs)}, nil
		d.mu.Unlock()
		if err := d.server.journal.KeepInventory(d.cluster.Name, inv); err != nil {
			d.server.log.Error("inventory", "cluster", d.cluster.Name, "error", err)
		}
		d.server.tendSoon()
		wait(ctx, d.server.opts.InventoryEvery, d.refresh)
	}
}

func (d *driver) list(ctx context.Context) (*scheduler.ClusterInventory, error) {
	var request drivers.InventoryRequest
	for _, group := range d.server.site.Groups {
		for _, replica := range group.Replicas {
			if replica.Cluster == d.cluster.Name {
				request.Replicas = append(request.Replicas, replica.Path)
			}
		}
	}
	at := time.Now().UTC() // what is listed is no older than this
	var items []drivers.Item
	if err := d.given.Inventory(ctx, request, func(item drivers.Item) error {
		items = append(items, item)
		return nil
	}); err != nil {
		return nil, err
	}
	return scheduler.NewClusterInventory(at, items)
}

// wait waits for a time, an early call or the end.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
}

// refresh asks for all inventories to be read again.
func (s *Server) refresh() {
	for _, d := range s.drivers {
		select {
		case d.refresh <- struct{}{}:
		default:
		}
	}
}

// silence says that a health report is overdue: a site that hangs, rather than fails, keeps
// the driver waiting for an answer. The caller holds d.mu.
func (d *driver) silence() error {
	every := cmp.Or(d.given.Configuration.HealthEvery, 10*time.Second)
	if !d.configured || time.Since(d.reported) < 2*every {
		return nil
	}
	return fmt.Errorf("the site gives no answer: no report of its health since %s, where one is due every %s; look whether the hypervisor's management answers", d.reported.UTC().Format(time.TimeOnly), every)
}

func (d *driver) view() api.Driver {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := api.Driver{
		Cluster: d.cluster.Name, Driver: d.cluster.Driver, Version: d.about.Version, State: "ready",
		Proven: d.proven, Took: d.took, Inventory: d.inventory, Hosts: d.counts[0], VMs: d.counts[1],
	}
	if !d.configured {
		v.State = "starting"
	}
	if err := cmp.Or(d.problem, d.silence(), d.unlisted); err != nil {
		v.State, v.Error = "failing", err.Error()
	}
	if d.given.Status != nil {
		status := d.given.Status()
		v.PID, v.Restarts = status.PID, status.Restarts
		if status.Proven.After(v.Proven) {
			v.Proven = status.Proven
		}
		switch {
		case status.Held:
			v.State, v.Error = "held", status.Error+"; mend it, then: hotspare driver check "+d.cluster.Name
		case status.Error != "":
			v.State, v.Error = "failing", status.Error
		}
	}
	return v
}
