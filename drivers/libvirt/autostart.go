package libvirt

import (
	"context"
	"encoding/json"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// powerRest is what the power has beside its text: that the VM starts with its host. A VM that
// is set to off must not, or its host's restart would put it on.
type powerRest struct {
	V         int  `json:"v"`
	Autostart bool `json:"autostart"`
}

// powerValue is a VM's power. A rest is there only for a VM that starts with its host.
func powerValue(m *machine) drivers.Value {
	v := drivers.Value{Text: m.power()}
	if m.autostart {
		v.Rest = restorepoint.Encode(powerRest{1, true})
	}
	return v
}

// wantsAutostart reports whether a goal has the VM start with its host: one that carries a
// rest which says so.
func wantsAutostart(goal drivers.Value) bool {
	var rest powerRest
	return len(goal.Rest) > 0 && json.Unmarshal(goal.Rest, &rest) == nil && rest.Autostart
}

func setAutostart(ctx context.Context, m *machine, goal drivers.Value) error {
	return onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.SetAutostart(wantsAutostart(goal)) })
}
