package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/hotspare/hotspare/drivers"
)

// version of this driver.
const version = "0.1.0"

// New returns the driver for KVM hosts, not configured yet.
func New() drivers.Driver { return &driver{} }

// driver implements drivers.Driver.
type driver struct {
	configuring sync.Mutex // held while it connects, which may take long

	mu         sync.Mutex
	cluster    *cluster
	configured drivers.Configuration
}

// Describe tells what the driver can do.
func (d *driver) Describe(context.Context) (drivers.Description, error) {
	return drivers.Description{
		Driver:   "libvirt",
		Version:  version,
		Contract: drivers.ContractVersion,
		Properties: []drivers.Capability{
			{Kind: drivers.VM, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.VM, Name: drivers.Power, Texts: []string{drivers.Off, drivers.On, drivers.Suspended}},
			{Kind: drivers.VM, Name: drivers.HostOf},
			{Kind: drivers.VM, Name: drivers.Disk},
			{Kind: drivers.VM, Name: drivers.NIC},
			{Kind: drivers.Volume, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.Replica, Name: drivers.Role, Texts: []string{drivers.Secondary, drivers.Primary}},
		},
		// A host has four calls in flight. A power-off mostly waits for its guest, without a
		// call; everything else is a few short ones. Overlays are made by qemu-img, here.
		Limits: []drivers.Limit{
			{Kind: drivers.VM, Name: drivers.Power, PerHost: 2 * callsPerHost},
			{Kind: drivers.VM, Name: drivers.Presence, PerCluster: 4, PerHost: 2},
			{Kind: drivers.VM, Name: drivers.HostOf, PerHost: callsPerHost},
			{Kind: drivers.VM, Name: drivers.Disk, PerHost: callsPerHost},
			{Kind: drivers.VM, Name: drivers.NIC, PerHost: callsPerHost},
			{Kind: drivers.Volume, Name: drivers.Presence, PerCluster: 4},
			{Kind: drivers.Replica, Name: drivers.Role, PerCluster: 4},
		},
		Schema: schema,
	}, nil
}

// Configure connects to the hosts, of which one at least must answer, and checks that what
// the configuration names exists. Errors of kind Invalid name the attribute.
func (d *driver) Configure(ctx context.Context, c drivers.Configuration) error {
	d.configuring.Lock()
	defer d.configuring.Unlock()
	d.mu.Lock()
	same := d.cluster != nil && sameConfiguration(d.configured, c)
	d.mu.Unlock()
	if same {
		return nil
	}
	s, err := parseSettings(c)
	if err != nil {
		return err
	}
	opened, err := openCluster(ctx, s)
	if err != nil {
		return fail("configure", "cluster "+s.cluster, err)
	}
	d.mu.Lock()
	before := d.cluster
	d.cluster, d.configured = opened, c
	d.configured.Body = bytes.Clone(c.Body)
	d.mu.Unlock()
	if before != nil {
		before.close()
	}
	return nil
}

func sameConfiguration(a, b drivers.Configuration) bool {
	return a.Site == b.Site && a.Cluster == b.Cluster && a.HealthEvery == b.HealthEvery && sameJSON(a.Body, b.Body)
}

// sameJSON reports whether two JSON texts say the same, however they are written.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return bytes.Equal(one, other)
}

// ready gives the cluster of the current configuration.
func (d *driver) ready(op string) (*cluster, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cluster == nil {
		return nil, drivers.Invalidf(op, "driver libvirt", "it is not configured")
	}
	return d.cluster, nil
}

// Observe reads one property now, from the site.
func (d *driver) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	cl, err := d.ready("observe")
	if err != nil {
		return drivers.Value{}, err
	}
	code, err := cl.handler(p)
	if err != nil {
		return drivers.Value{}, err
	}
	value, err := abandon(ctx, func() (drivers.Value, error) { return code.observe(ctx) })
	return value, fail("observe "+p.Label()+" of", p.Target, err)
}

// Apply makes a property's value the goal, one change at a time at each target: what a
// call left running when its context ended is waited for by the next one.
func (d *driver) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	cl, err := d.ready("apply")
	if err != nil {
		return drivers.Value{}, err
	}
	code, err := cl.handler(c.Property)
	if err != nil {
		return drivers.Value{}, err
	}
	if c.ID == "" || c.Goal.Text == "" {
		return drivers.Value{}, drivers.Invalidf("apply", c.Property.String(), "the change has no id, or no goal")
	}
	unlock, err := cl.targets.lock(ctx, string(c.Property.Kind)+" "+c.Property.Target)
	if err != nil {
		return drivers.Value{}, err
	}
	tell, hush := quietable(progress)
	defer hush()
	value, err := abandon(ctx, func() (drivers.Value, error) {
		defer unlock()
		if err := ctx.Err(); err != nil {
			return drivers.Value{}, err
		}
		return code.apply(ctx, c, tell)
	})
	return value, fail("set "+c.Property.Label()+" of", c.Property.Target, err)
}

// abandon runs f, and returns before it ends when the context does: a call of libvirt's
// cannot be cut short, and ends by itself.
func abandon[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// quietable gives a progress function that says nothing any more once hush was called:
// whoever listens may be gone then.
func quietable(progress func(drivers.Progress)) (tell func(drivers.Progress), hush func()) {
	var mu sync.Mutex
	tell = func(p drivers.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if progress != nil {
			progress(p)
		}
	}
	return tell, func() {
		mu.Lock()
		defer mu.Unlock()
		progress = nil
	}
}

// handler reads and sets one property of one target.
type handler interface {
	observe(ctx context.Context) (drivers.Value, error)
	apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error)
}

// handler finds the code for a property.
func (cl *cluster) handler(p drivers.Property) (handler, error) {
	if err := p.Valid(); err != nil {
		return nil, drivers.Invalidf("read", p.String(), "%w", err)
	}
	if p.Cluster != cl.settings.cluster {
		return nil, drivers.Invalidf("read", p.String(), "this driver is configured for cluster %q", cl.settings.cluster)
	}
	switch {
	case p.Kind == drivers.VM && p.Name == drivers.Power:
		return powerOf{cl, p.Target}, nil
	case p.Kind == drivers.VM && p.Name == drivers.HostOf:
		return hostOf{cl, p.Target}, nil
	case p.Kind == drivers.VM && p.Name == drivers.Disk:
		return diskOf{cl, p.Target, p.Slot}, nil
	case p.Kind == drivers.VM && p.Name == drivers.NIC:
		return nicOf{cl, p.Target, p.Slot}, nil
	case p.Kind == drivers.VM && p.Name == drivers.Presence:
		return presenceOf{cl, p.Target}, nil
	case p.Kind == drivers.Volume && p.Name == drivers.Presence:
		return volumeOf{cl, p.Target}, nil
	case p.Kind == drivers.Replica && p.Name == drivers.Role:
		return roleOf{cl, p.Target}, nil
	}
	return nil, drivers.Invalidf("set", p.String(), "the libvirt driver has no property %s of a %s", p.Name, p.Kind)
}
