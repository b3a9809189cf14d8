// Package drivertest is the conformance suite that every driver passes, in process and as
// a plugin process. A driver's own test names the objects at a test site that the suite
// may use, and calls [Run]:
//
//	drivertest.Run(t, drivertest.Rig{
//		Driver: driver, Site: "brno", Cluster: "c1",
//		VM: id, DiskSlot: "scsi0:0", NICSlot: "ethernet0", Network: "isolated",
//		Replica: "/replicas/shop", RestorePoints: [2]string{"rp-1", "rp-2"}, Volume: "data",
//	})
//
// What Describe does not offer, or the rig does not name, is skipped, with its reason in
// the table that the suite prints at its end. The suite leaves the site as it found it.
package drivertest

import (
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Rig names a configured driver, and what the suite may use at its site. Nothing else may
// change the site meanwhile. Fields that are empty skip the checks that need them.
type Rig struct {
	Driver  drivers.Driver
	Site    string // as the driver was configured
	Cluster string

	// VM is the id of a VM that is off and not made by hotspare, with one disk and one NIC
	// in these slots.
	VM       string
	DiskSlot string
	NICSlot  string
	Network  string // another network than that of the NIC
	Host     string // another host than that of the VM
	// Endpoint is another one for the disk; empty: a clone of the restore point.
	Endpoint string
	// PowerVM is the id of a VM that is off and can be powered on; empty: VM.
	PowerVM string

	Template     string // name of a template
	TemplateHost string // host for the VMs made from it

	Replica         string    // path of a replica that is secondary
	RestorePoints   [2]string // two complete ones
	IncompletePoint string
	Volume          string // name of a volume in them

	Datastore     string // one that no VM needs
	Callout       string
	ForeignVolume string // target "HOLDER/VOLUME" where something lies that is not ours

	// Grace is enough for the guest of PowerVM to shut down; 0: it has none that obeys.
	Grace time.Duration
	// CallTimeout bounds every call; 0: one minute.
	CallTimeout time.Duration

	// Booted waits until the guest of a VM that is on can be asked to shut down.
	Booted func(t *testing.T, vm string)
	// IgnoreShutdown makes the guest of a VM ignore the request, or no longer.
	IgnoreShutdown func(t *testing.T, vm string, ignore bool)
	// Drift changes a property behind the driver's back, to a value that the suite has not
	// used, and gives a function that puts it back. nil where it cannot for this property.
	Drift func(t *testing.T, p drivers.Property) (putBack func())
	// ExpireSession ends the driver's session at the site.
	ExpireSession func(t *testing.T)
	// CutOff arranges that the next Apply of this change is cut off when it is half-made:
	// by kill -9 where the driver has a process. The driver serves again shortly after.
	CutOff func(t *testing.T, c drivers.Change)
	// Kill ends the driver's process by kill -9. It serves where there is no CutOff: the
	// suite calls it at several moments of an Apply.
	Kill func(t *testing.T)
}

func (r Rig) withDefaults() Rig {
	if r.PowerVM == "" {
		r.PowerVM = r.VM
	}
	if r.CallTimeout == 0 {
		r.CallTimeout = time.Minute
	}
	return r
}
