package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// body is the configuration block of the driver.
type body struct {
	File        string  `json:"file"`
	Password    string  `json:"password"`
	Hosts       float64 `json:"hosts"`
	Groups      float64 `json:"groups"`
	VMsPerGroup float64 `json:"vms_per_group"`
	Latency     string  `json:"latency"`
}

func schema() []drivers.Attribute {
	return []drivers.Attribute{
		{Name: "file", Type: "string", Help: "Path of the file that the simulated site lives in; made where there is none. Required of a plugin."},
		{Name: "password", Type: "string", Secret: true, Help: "Password, where the simulated site asks for one."},
		{Name: "hosts", Type: "number", Help: "Number of hosts of a site that is made anew (4)."},
		{Name: "groups", Type: "number", Help: "Number of replicated groups of a site that is made anew (3)."},
		{Name: "vms_per_group", Type: "number", Help: "Number of standby VMs in each of them (3)."},
		{Name: "latency", Type: "string", Help: "How long changes take at a site that is made anew: \"none\" or \"typical\" (none)."},
	}
}

// Describe tells what the driver can do. The limits are the site's.
func (d *Driver) Describe(ctx context.Context) (drivers.Description, error) {
	if err := ctx.Err(); err != nil {
		return drivers.Description{}, err
	}
	description := drivers.Description{
		Driver: "sim", Version: Version, Contract: drivers.ContractVersion, Schema: schema(),
		Properties: []drivers.Capability{
			{Kind: drivers.VM, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.VM, Name: drivers.Power, Texts: []string{drivers.Off, drivers.On, drivers.Suspended}},
			{Kind: drivers.VM, Name: drivers.HostOf},
			{Kind: drivers.VM, Name: drivers.Disk},
			{Kind: drivers.VM, Name: drivers.NIC},
			{Kind: drivers.Volume, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.Datastore, Name: drivers.Presence, Texts: []string{drivers.Absent, drivers.Present}},
			{Kind: drivers.Replica, Name: drivers.Role, Texts: []string{drivers.Secondary, drivers.Primary}},
			{Kind: drivers.Callout, Name: drivers.Done, Texts: []string{drivers.Undone, drivers.DoneText}},
		},
	}
	d.mu.Lock()
	site := d.site
	d.mu.Unlock()
	if site == nil {
		return description, nil
	}
	err := site.read(func(st *state) error {
		description.Limits = append(description.Limits, st.Limits...)
		description.MovesVMs = st.MovesVMs
		return nil
	})
	return description, failure{"describe", "simulated site"}.wrap(err, ctx.Err())
}

// Configure opens the site and logs in.
func (d *Driver) Configure(ctx context.Context, c drivers.Configuration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fail := failure{"configure", "cluster " + c.Cluster}
	invalid := func(attribute, format string, args ...any) error {
		return &drivers.Error{Kind: drivers.Invalid, Op: fail.op, Object: fail.object, Cause: fmt.Errorf(format, args...), Attribute: attribute}
	}
	if c.Site == "" || c.Cluster == "" {
		return invalid("", "site and cluster must be named")
	}
	b, err := readBody(c.Body)
	if err != nil {
		return err
	}
	d.mu.Lock()
	site, again, before := d.site, d.configured, d.config
	d.mu.Unlock()
	if again && same(before, c) {
		return nil
	}
	switch {
	case b.File == "" && site == nil:
		return invalid("file", "the path of the site's file is missing")
	case b.File != "" && d.ownProcess:
		if site, err = openOrMake(b); err != nil {
			return invalid("file", "%w", err)
		}
	case b.File != "":
		return invalid("file", "this driver works on a site in memory; file is for the plugin")
	}
	if _, err := d.meet(ctx, site, fail, OpConfigure, drivers.Property{Cluster: c.Cluster}, drivers.Value{}); err != nil {
		return err
	}
	trial := &Driver{site: site, config: c}
	if err := trial.login(ctx, site); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.site, d.config, d.configured, d.session = site, c, true, trial.session
	return nil
}

func same(a, b drivers.Configuration) bool {
	return a.Site == b.Site && a.Cluster == b.Cluster && a.HealthEvery == b.HealthEvery && bytes.Equal(a.Body, b.Body)
}

func openOrMake(b body) (*Site, error) {
	if _, err := os.Stat(b.File); !errors.Is(err, fs.ErrNotExist) {
		return Open(b.File)
	}
	shape := Shape{Hosts: int(b.Hosts), Groups: int(b.Groups), VMsPerGroup: int(b.VMsPerGroup)}
	if b.Latency == "typical" {
		shape.Latency = Typical()
	}
	return OpenShaped(b.File, shape)
}

// readBody reads the configuration block; its errors name the attribute.
func readBody(data json.RawMessage) (body, error) {
	var b body
	invalid := func(attribute string, err error) (body, error) {
		return b, &drivers.Error{Kind: drivers.Invalid, Op: "configure", Object: "simulated site", Cause: err, Attribute: attribute}
	}
	if len(data) == 0 {
		return b, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return invalid("", fmt.Errorf("the configuration block is no JSON object: %w", err))
	}
	for _, name := range sorted(given) {
		known := false
		for _, a := range schema() {
			known = known || a.Name == name
		}
		if !known {
			return invalid(name, fmt.Errorf("unknown attribute %q", name))
		}
	}
	if err := json.Unmarshal(data, &b); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalid(wrong.Field, fmt.Errorf("attribute %q cannot be a %s", wrong.Field, wrong.Value))
		}
		return invalid("", err)
	}
	for name, n := range map[string]float64{"hosts": b.Hosts, "groups": b.Groups, "vms_per_group": b.VMsPerGroup} {
		if n < 0 || n > 10_000 || n != float64(int(n)) {
			return invalid(name, fmt.Errorf("attribute %q is %v, want a whole number up to 10000", name, n))
		}
	}
	if b.Latency != "" && b.Latency != "none" && b.Latency != "typical" {
		return invalid("latency", fmt.Errorf("attribute \"latency\" is %q, want \"none\" or \"typical\"", b.Latency))
	}
	if strings.ContainsRune(b.File, 0) {
		return invalid("file", errors.New("the path holds a zero byte"))
	}
	return b, nil
}
