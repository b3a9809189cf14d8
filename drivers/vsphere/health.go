package vsphere

import (
	"context"
	"errors"
	"time"

	"github.com/vmware/govmomi/vim25/mo"

	"github.com/hotspare/hotspare/drivers"
)

// healthEvery is how often health is reported where the configuration does not say.
const healthEvery = 10 * time.Second

// healthLimit is how long a vCenter may take to answer before it counts as silent.
const healthLimit = 5 * time.Second

// Health reads the cluster's hosts, which needs a session that is alive, and tells how
// that went.
func (d *driver) Health(ctx context.Context, report func(drivers.Health) error) error {
	if _, err := d.ready("report health"); err != nil {
		return err
	}
	for {
		every := healthEvery
		// Each time anew: the driver may have been configured again.
		d.mu.Lock()
		cl := d.client
		if d.configured.HealthEvery > 0 {
			every = d.configured.HealthEvery
		}
		d.mu.Unlock()
		began := time.Now()
		err := cl.healthy(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h := drivers.Health{At: began, OK: err == nil, Took: time.Since(began)}
		if err != nil {
			h.Error = fail("read", cl.settings.url.Host, err).Error()
		}
		if err := report(h); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// healthy makes a real read: that vCenter answers is not enough.
func (cl *client) healthy(ctx context.Context) error {
	bounded, cancel := limited(ctx, cl.settings.silence)
	defer cancel()
	return honest(ctx, bounded, cl.readHosts(bounded))
}

func (cl *client) readHosts(ctx context.Context) error {
	if err := cl.session.verify(ctx); err != nil {
		return err
	}
	var compute mo.ComputeResource
	if err := retrieveOne(ctx, cl.vim, cl.places.compute, []string{"host"}, &compute); err != nil {
		return err
	}
	if len(compute.Host) == 0 {
		return errors.New("vCenter lists no host in the cluster")
	}
	return nil
}
