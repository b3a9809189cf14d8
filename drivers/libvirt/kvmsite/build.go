package kvmsite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// build makes everything, in the order in which one thing needs another.
func (s *Site) build(ctx context.Context) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"kernel and initramfs of the guests", s.buildKernel},
		{"networks", s.buildNetworks},
		{"disks: replica, template, production", s.buildDisks},
		{"hosts", s.buildHosts},
		{"VMs: standby, templates, production, which boots on", s.buildVMs},
		{"NBD and iSCSI servers", s.buildStorage},
	} {
		began := time.Now()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("bring up %s: %w", step.what, err)
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("bring up %s: %w", step.what, err)
		}
		s.say("%s (%.1fs)", step.what, time.Since(began).Seconds())
	}
	return s.writeRecord(true)
}

func (s *Site) buildKernel(ctx context.Context) (err error) {
	cached, err := prepareKernel(ctx)
	if err != nil {
		return err
	}
	s.kernel = kernel{image: s.path("vmlinuz"), initrd: s.path("initrd.gz"), accel: cached.accel}
	return errors.Join(copyFile(cached.image, s.kernel.image, 0o644), copyFile(cached.initrd, s.kernel.initrd, 0o644),
		copyFile(cached.agentInitrd(), s.kernel.agentInitrd(), 0o644))
}

func (s *Site) buildNetworks(ctx context.Context) error {
	for _, n := range networks {
		n.site = s
		if err := n.up(ctx); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

func (s *Site) buildHosts(ctx context.Context) error {
	for _, d := range []string{"console", "volumes"} {
		if err := os.MkdirAll(s.path(d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.path("host-init"), []byte(hostInit), 0o755); err != nil {
		return err
	}
	return each(append(s.Hosts(), s.Production()), func(h Host) error {
		if err := h.PowerUp(ctx); err != nil || h.Name == productionHost {
			return err
		}
		return errors.Join(h.define(ctx, "pool", s.pools()), h.define(ctx, "net", libvirtNetworks))
	})
}

// buildDisks makes the disks before the hosts start their pools, which then know them.
func (s *Site) buildDisks(ctx context.Context) error {
	return errors.Join(s.buildReplica(ctx), s.buildTemplate(ctx), s.buildProductionDisks(ctx))
}

// buildVMs defines all VMs. The first on a host takes a second, in which libvirtd gets to know QEMU.
func (s *Site) buildVMs(ctx context.Context) error {
	return each(append(s.Hosts(), s.Production()), func(h Host) error {
		for _, spec := range s.specs(h) {
			if err := s.Define(ctx, h, spec); err != nil {
				return err
			}
		}
		if h.Name != productionHost {
			return nil
		}
		return s.startProduction(ctx)
	})
}

// specs are the VMs that the site defines on a host.
func (s *Site) specs(h Host) []VMSpec {
	if h.Name == productionHost {
		return s.productionSpecs()
	}
	list := s.standbySpecs(h)
	if h.number == 1 {
		list = append(list, s.templateSpecs()...)
	}
	return list
}

// each does something for all hosts at once.
func each(hosts []Host, do func(Host) error) error {
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Go(func() { errs[i] = do(h) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// libvirtNetworks are defined on every host, over the bridges.
var libvirtNetworks = map[string]string{
	"prod": `<network><name>prod</name><forward mode='bridge'/><bridge name='br-prod'/>
<portgroup name='app' default='yes'/><portgroup name='db'/></network>`,
	"standby":   `<network><name>standby</name><forward mode='bridge'/><bridge name='br-standby'/></network>`,
	"iso-net-1": `<network><name>iso-net-1</name><forward mode='bridge'/><bridge name='iso-1'/></network>`,
}

// pools are defined on every host, with the same paths.
func (s *Site) pools() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"volumes", "replicas", "templates"} {
		all[name] = fmt.Sprintf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>", name, escape(s.path(name)))
	}
	return all
}

// define gives libvirt objects of a kind ("pool", "net") by their XML, started at every start.
func (h Host) define(ctx context.Context, kind string, objects map[string]string) error {
	var commands []string
	for name, xml := range objects {
		file := h.path(kind + "-" + name + ".xml")
		if err := os.WriteFile(file, []byte(xml), 0o644); err != nil {
			return err
		}
		commands = append(commands, fmt.Sprintf("%s-define %s; %[1]s-autostart %[3]s; %[1]s-start %[3]s", kind, quote(filepath.Clean(file)), name))
	}
	if _, err := h.Virsh(ctx, strings.Join(commands, "; ")); err != nil {
		return fmt.Errorf("define %ss on %s: %w", kind, h.Name, err)
	}
	return nil
}
