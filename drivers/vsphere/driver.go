package vsphere

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/vmware/govmomi/vim25/soap"

	"github.com/hotspare/hotspare/drivers"
)

// version of this driver.
const version = "0.1.0"

// New returns the driver for a vCenter, not configured yet.
func New() drivers.Driver { return &driver{} }

// driver implements drivers.Driver.
type driver struct {
	observe func(soap.HasFault) // told of every call to vCenter, in tests

	configuring sync.Mutex // held while it connects, which may take long

	mu         sync.Mutex
	client     *client
	configured drivers.Configuration
}

// Describe tells what the driver can do. Once configured it also knows whether DRS moves
// VMs.
func (d *driver) Describe(context.Context) (drivers.Description, error) {
	description := drivers.Description{
		Driver:   "vsphere",
		Version:  version,
		Contract: drivers.ContractVersion,
		Properties: []drivers.Capability{
			{Kind: drivers.VM, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.VM, Name: drivers.Power, Texts: []string{drivers.Off, drivers.On, drivers.Suspended}},
			{Kind: drivers.VM, Name: drivers.HostOf},
			{Kind: drivers.VM, Name: drivers.Disk},
			{Kind: drivers.VM, Name: drivers.NIC},
			{Kind: drivers.Volume, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.Datastore, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.Replica, Name: drivers.Role, Texts: []string{drivers.Secondary, drivers.Primary}},
		},
		// vCenter runs some 640 operations at once and queues the rest without a word; a
		// host runs 8 to 16 of the costly ones.
		Limits: []drivers.Limit{
			{Kind: drivers.VM, Name: drivers.Power, PerCluster: 32, PerHost: 8},
			{Kind: drivers.VM, Name: drivers.Presence, PerCluster: 8, PerHost: 4},
			{Kind: drivers.VM, Name: drivers.HostOf, PerCluster: 16, PerHost: 4},
			{Kind: drivers.VM, Name: drivers.Disk, PerCluster: 32, PerHost: 8},
			{Kind: drivers.VM, Name: drivers.NIC, PerCluster: 32, PerHost: 8},
			{Kind: drivers.Volume, Name: drivers.Presence, PerCluster: 8},
			{Kind: drivers.Datastore, Name: drivers.Presence, PerCluster: 4},
			{Kind: drivers.Replica, Name: drivers.Role, PerCluster: 8},
		},
		Schema: schema,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		description.MovesVMs = d.client.places.movesVMs
	}
	return description, nil
}

// Configure logs in, and checks that what the configuration names exists. Errors of kind
// Invalid name the attribute.
func (d *driver) Configure(ctx context.Context, c drivers.Configuration) error {
	d.configuring.Lock()
	defer d.configuring.Unlock()
	d.mu.Lock()
	same := d.client != nil && sameConfiguration(d.configured, c)
	d.mu.Unlock()
	if same {
		return nil
	}
	s, err := parseSettings(c)
	if err != nil {
		return err
	}
	opened, err := open(ctx, s, d.observe)
	if err != nil {
		return configureError(s, err)
	}
	d.mu.Lock()
	before := d.client
	d.client, d.configured = opened, c
	d.configured.Body = bytes.Clone(c.Body)
	d.mu.Unlock()
	if before != nil {
		before.close()
	}
	return nil
}

// configureError names the attribute that is to blame, where one is.
func configureError(s settings, err error) error {
	var login *loginError
	switch {
	case errors.As(err, &login) && isFault(login.cause):
		return &drivers.Error{
			Kind: drivers.Invalid, Op: "log in to", Object: s.url.Host, Attribute: "password_file",
			Cause: errors.New("vCenter does not accept the account or its password"),
			Next:  "check username and password_file",
		}
	case errors.Is(err, errThumbprint):
		return &drivers.Error{
			Kind: drivers.Invalid, Op: "connect to", Object: s.url.Host, Attribute: "thumbprint", Cause: err,
			Next: thumbprintNext,
		}
	case soap.IsCertificateUntrusted(err):
		return &drivers.Error{
			Kind: drivers.Invalid, Op: "connect to", Object: s.url.Host, Attribute: "thumbprint", Cause: err,
			Next: "give the certificate's thumbprint, or ca_file",
		}
	}
	return fail("configure", s.url.Host, err)
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

// ready gives the client of the current configuration.
func (d *driver) ready(op string) (*client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		return nil, drivers.Invalidf(op, "driver vsphere", "it is not configured")
	}
	return d.client, nil
}

// Observe reads one property now, from vCenter.
func (d *driver) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	cl, err := d.ready("observe")
	if err != nil {
		return drivers.Value{}, err
	}
	code, err := cl.handler(p)
	if err != nil {
		return drivers.Value{}, err
	}
	value, err := code.observe(ctx)
	return value, fail("observe "+p.Label()+" of", p.Target, err)
}

// Apply makes a property's value the goal, one change at a time at each target.
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
	if progress == nil {
		progress = func(drivers.Progress) {}
	}
	unlock, err := cl.targets.lock(ctx, string(c.Property.Kind)+" "+c.Property.Target)
	if err != nil {
		return drivers.Value{}, err
	}
	defer unlock()
	value, err := code.apply(ctx, c, progress)
	return value, fail("set "+c.Property.Label()+" of", c.Property.Target, err)
}

// handler reads and sets one property of one target.
type handler interface {
	observe(ctx context.Context) (drivers.Value, error)
	apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error)
}

// handler finds the code for a property.
func (cl *client) handler(p drivers.Property) (handler, error) {
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
	case p.Kind == drivers.Datastore && p.Name == drivers.Presence:
		return datastoreOf{cl, p.Target}, nil
	case p.Kind == drivers.Replica && p.Name == drivers.Role:
		return roleOf{cl, p.Target}, nil
	}
	return nil, drivers.Invalidf("set", p.String(), "the vsphere driver has no property %s of a %s", p.Name, p.Kind)
}
