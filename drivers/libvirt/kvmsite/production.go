package kvmsite

import (
	"context"
	"fmt"
)

// Production is the host outside the recovery site on which the group's VMs run, in the network
// prod, with the addresses that their copies have. PowerOff makes the disaster.
func (s *Site) Production() Host { return Host{site: s, number: 10, Name: productionHost} }

// ProductionUUID is the UUID of a production VM: not that of its standby VM.
func ProductionUUID(name string) string { return VMUUID("production " + name) }

func (s *Site) productionPath(volume string) string { return s.path("production", volume+".qcow2") }

func (s *Site) buildProductionDisks(ctx context.Context) error {
	for _, w := range workloads {
		for _, volume := range w.volumes {
			if err := MakeDisk(ctx, s.productionPath(volume), "qcow2", volume+"@prod", w.settings(volume)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Site) productionSpecs() []VMSpec {
	var list []VMSpec
	for _, w := range workloads {
		spec := VMSpec{
			Name: w.name, UUID: ProductionUUID(w.name), MAC: VMMAC("production " + w.name),
			Bridge: "br-prod", Console: productionHost + "." + w.name,
		}
		for _, volume := range w.volumes {
			spec.Disks = append(spec.Disks, Disk{Path: s.productionPath(volume), Format: "qcow2", Serial: volume})
		}
		list = append(list, spec)
	}
	return list
}

// startProduction starts the VMs of the production side. They boot on while Up ends.
func (s *Site) startProduction(ctx context.Context) error {
	for _, w := range workloads {
		if _, err := s.Production().Virsh(ctx, "start", w.name); err != nil {
			return fmt.Errorf("start %s on %s: %w", w.name, productionHost, err)
		}
	}
	return nil
}
