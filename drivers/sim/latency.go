package sim

import (
	"context"
	"time"
)

// Latency is how long each kind of change takes; zero is at once.
type Latency struct {
	PowerOn       time.Duration `json:",omitempty"` // until the hypervisor says on
	Boot          time.Duration `json:",omitempty"` // from then until the guest is ready
	GuestShutdown time.Duration `json:",omitempty"` // until a guest that is asked is down
	PowerOff      time.Duration `json:",omitempty"` // cutting a guest off
	Suspend       time.Duration `json:",omitempty"`
	CloneVM       time.Duration `json:",omitempty"`
	DeleteVM      time.Duration `json:",omitempty"`
	Host          time.Duration `json:",omitempty"`
	Disk          time.Duration `json:",omitempty"`
	NIC           time.Duration `json:",omitempty"`
	CloneVolume   time.Duration `json:",omitempty"`
	DeleteVolume  time.Duration `json:",omitempty"`
	Datastore     time.Duration `json:",omitempty"`
	Promote       time.Duration `json:",omitempty"`
	Demote        time.Duration `json:",omitempty"`
	Callout       time.Duration `json:",omitempty"`
	Observe       time.Duration `json:",omitempty"`
	Inventory     time.Duration `json:",omitempty"`
	Login         time.Duration `json:",omitempty"`
}

// Typical is what a middling vSphere site takes.
func Typical() Latency {
	return Latency{
		PowerOn: 3 * time.Second, Boot: 40 * time.Second, GuestShutdown: 15 * time.Second, PowerOff: time.Second,
		Suspend: 8 * time.Second, CloneVM: 20 * time.Second, DeleteVM: 2 * time.Second, Host: 2 * time.Second,
		Disk: 2 * time.Second, NIC: time.Second, CloneVolume: 4 * time.Second, DeleteVolume: time.Second,
		Datastore: 10 * time.Second, Promote: 20 * time.Second, Demote: 10 * time.Second, Callout: time.Second,
		Observe: 10 * time.Millisecond, Inventory: 200 * time.Millisecond, Login: 100 * time.Millisecond,
	}
}

// sleep waits, or returns the context's error as soon as it ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
