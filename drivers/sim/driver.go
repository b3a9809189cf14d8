package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Version of the driver, as Describe tells it.
const Version = "1"

// Driver sets properties at a [Site]. It implements [drivers.Driver] and remembers
// nothing but its configuration and its session.
type Driver struct {
	mu         sync.Mutex
	site       *Site // nil until Configure opens one
	config     drivers.Configuration
	configured bool
	session    int
	ownProcess bool // it may kill its own process
}

var _ drivers.Driver = (*Driver)(nil)

// New gives a driver for a site. It must be configured before use.
func New(site *Site) *Driver { return &Driver{site: site} }

// NewProcess gives a driver that has a process of its own, as a plugin: it opens the
// site that the attribute "file" of its configuration names, and obeys [KillProcess].
func NewProcess() *Driver { return &Driver{ownProcess: true} }

// Configured gives a driver for a site, configured with the given names. It panics where
// the site does not let it in.
func Configured(site *Site, siteName, cluster string) *Driver {
	d := New(site)
	if err := d.Configure(context.Background(), drivers.Configuration{Site: siteName, Cluster: cluster}); err != nil {
		panic("sim: " + err.Error())
	}
	return d
}

// Health reports at once and then every c.HealthEvery, as [drivers.Driver] says.
func (d *Driver) Health(ctx context.Context, report func(drivers.Health) error) error {
	site, config, err := d.ready("health")
	if err != nil {
		return err
	}
	every := config.HealthEvery
	if every <= 0 {
		every = 10 * time.Second
	}
	for {
		start := time.Now()
		err := d.login(ctx, site)
		if err == nil {
			err = site.read(func(st *state) error {
				if len(st.Hosts) == 0 || st.Unlisted {
					return errors.New("the site lists no hosts")
				}
				return nil
			})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h := drivers.Health{At: time.Now(), OK: err == nil, Took: time.Since(start)}
		if err != nil {
			h.Error = err.Error()
		}
		if err := report(h); err != nil {
			return err
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
	}
}

// Observe reads one property now, as [drivers.Driver] says.
func (d *Driver) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	fail := failure{"observe " + p.Label(), objectOf(p)}
	site, act, err := d.begin(ctx, fail, OpObserve, p, drivers.Change{Property: p, Goal: drivers.Value{}})
	if err != nil {
		return drivers.Value{}, err
	}
	var value drivers.Value
	wait := time.Duration(0)
	err = site.read(func(st *state) (err error) { wait = st.Latency.Observe; value, err = act.observe(st); return })
	if err == nil {
		err = sleep(ctx, wait)
	}
	return value, fail.wrap(err, ctx.Err())
}

// begin does what Observe and Apply have in common: it checks the call, logs in, lets
// the faults of the site meet the call, and gives the action for the property.
func (d *Driver) begin(ctx context.Context, fail failure, op string, p drivers.Property, c drivers.Change) (*Site, action, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	site, config, err := d.ready(fail.op)
	if err != nil {
		return nil, nil, err
	}
	if err := p.Valid(); err != nil {
		return nil, nil, fail.invalid("%w", err)
	}
	if p.Cluster != config.Cluster {
		return nil, nil, fail.invalid("the property is of cluster %q, this driver serves %q", p.Cluster, config.Cluster)
	}
	act, err := newAction(fail, config, c, op == OpApply)
	if err != nil {
		return nil, nil, err
	}
	if err := d.login(ctx, site); err != nil {
		return nil, nil, fail.wrap(err, ctx.Err())
	}
	if op == OpApply {
		return site, act, nil // Apply meets its faults once it has its turn
	}
	_, err = d.meet(ctx, site, fail, op, p, c.Goal)
	return site, act, err
}

// meet lets a fault meet the call, and gives those that come later on in it.
func (d *Driver) meet(ctx context.Context, site *Site, fail failure, op string, p drivers.Property, goal drivers.Value) (*Fault, error) {
	fault, err := site.fault(op, p, goal)
	if err != nil {
		return nil, fail.wrap(err, ctx.Err())
	}
	if fault == nil {
		return nil, nil
	}
	switch fault.Mode {
	case Slow:
		return nil, sleep(ctx, fault.Delay)
	case Hang:
		<-ctx.Done()
		return nil, ctx.Err()
	case FailBefore:
		return nil, fault.err(fail.op, fail.object)
	}
	if op != OpApply {
		return nil, fault.err(fail.op, fail.object)
	}
	return fault, nil
}

// halfway is where a call that is to die half-way dies.
func (d *Driver) halfway(fault *Fault, fail failure) error {
	if fault == nil {
		return nil
	}
	switch fault.Mode {
	case Panic:
		panic("injected panic in " + fail.op + " " + fail.object)
	case KillProcess:
		if d.ownProcess {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {} // the signal is on its way
		}
		return fault.err(fail.op, fail.object)
	case FailHalfway:
		return fault.err(fail.op, fail.object)
	}
	return nil
}

// login renews a session that has expired, as a driver must without its caller noticing.
func (d *Driver) login(ctx context.Context, site *Site) error {
	var down, password string
	var session int
	var wait time.Duration
	err := site.read(func(st *state) error {
		down, session, wait, password = st.Down, st.Session, st.Latency.Login, st.Password
		return nil
	})
	if err != nil {
		return err
	}
	fail := failure{"log in", "simulated site"}
	if down != "" {
		return fail.of(drivers.Unavailable, "", "%s", down)
	}
	d.mu.Lock()
	current, given := d.session == session+1, d.config
	d.mu.Unlock()
	if current {
		return nil
	}
	if err := sleep(ctx, wait); err != nil {
		return err
	}
	body, err := readBody(given.Body)
	if err != nil {
		return err
	}
	if password != "" && body.Password != password {
		return &drivers.Error{
			Kind: drivers.Invalid, Op: "log in", Object: "simulated site", Cause: errors.New("wrong password"),
			Next: "correct the password in the cluster's driver block", Attribute: "password",
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = session + 1
	return nil
}

// ready gives the site and the configuration, or an error before Configure.
func (d *Driver) ready(op string) (*Site, drivers.Configuration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.configured {
		return nil, drivers.Configuration{}, failure{op, "simulated site"}.of(drivers.Invalid, "call Configure first", "the driver is not configured")
	}
	return d.site, d.config, nil
}

func objectOf(p drivers.Property) string { return fmt.Sprintf("%s %s", p.Kind, p.Target) }
