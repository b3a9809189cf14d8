package devsite

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// pollEvery is how often a service looks whether its VM is on.
const pollEvery = 20 * time.Millisecond

// healthServices are what the readiness checks of the standby VMs look at: for each VM an
// HTTP server that listens while the VM is on, after its boot.
type healthServices struct {
	model *simulator.Model
	boot  time.Duration
	ports map[string]int
	done  sync.WaitGroup
}

// run serves until ctx ends.
func (h *healthServices) run(ctx context.Context) {
	for _, g := range groups {
		for _, s := range g.vms {
			for _, entity := range h.model.Map().All("VirtualMachine") {
				if vm := entity.(*simulator.VirtualMachine); vm.Name == s.name {
					h.done.Add(1)
					go h.follow(ctx, g, s, vm)
				}
			}
		}
	}
}

// follow starts the service when its VM has booted, and stops it when the VM goes off.
func (h *healthServices) follow(ctx context.Context, g group, s standby, vm *simulator.VirtualMachine) {
	defer h.done.Done()
	var server *http.Server
	var onSince time.Time
	stop := func() {
		if server != nil {
			_ = server.Close()
			server = nil
		}
		onSince = time.Time{}
	}
	defer stop()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		on := false
		ownContext(h.model).WithLock(vm, func() { on = vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn })
		switch {
		case !on:
			stop()
		case onSince.IsZero():
			onSince = time.Now()
		case server == nil && time.Since(onSince) >= h.boot:
			server = h.serve(g, s, vm)
		}
	}
}

// serve listens at the VM's port; nil where somebody else has it just now.
func (h *healthServices) serve(g group, s standby, vm *simulator.VirtualMachine) *http.Server {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", h.ports[s.name]))
	if err != nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if why := h.unfit(g, s, vm); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%s is ready\n", s.name)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	return server
}

// unfit says why production does not run on the VM, or nothing where it does.
func (h *healthServices) unfit(g group, s standby, vm *simulator.VirtualMachine) string {
	why := ""
	ownContext(h.model).WithLock(vm, func() {
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
			why = s.name + " is not on"
			return
		}
		why = h.unfitDevices(g, s, vm)
	})
	return why
}

func (h *healthServices) unfitDevices(g group, s standby, vm *simulator.VirtualMachine) string {
	for _, device := range vm.Config.Hardware.Device {
		switch device := device.(type) {
		case types.BaseVirtualEthernetCard:
			if net := h.networkName(device.GetVirtualEthernetCard()); net != s.network {
				return fmt.Sprintf("%s is on network %s, not on %s", s.name, net, s.network)
			}
		case *types.VirtualDisk:
			unit := int(*device.UnitNumber)
			backing, ok := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			if !ok || unit >= len(s.volumes) {
				return fmt.Sprintf("%s has a disk that it should not have", s.name)
			}
			if volume := s.volumes[unit]; backing.Parent == nil || !replicaOf(g, volume, backing.Parent.FileName) {
				return fmt.Sprintf("%s has disk %s, which is no child of a restore point of %s", s.name, backing.FileName, volume)
			}
		}
	}
	return ""
}

func (h *healthServices) networkName(card *types.VirtualEthernetCard) string {
	b, ok := card.Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
	if !ok {
		return "unknown"
	}
	ref := types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}
	if group, ok := h.model.Map().Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
		return group.Name
	}
	return b.Port.PortgroupKey
}
