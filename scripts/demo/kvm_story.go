package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
	"github.com/hotspare/hotspare/scheduler"
)

// kvmStory is the story on real virtual machines.
type kvmStory struct {
	*stage
	site  *kvmPlace
	empty string         // dump before anything
	lent  string         // dump before the alert
	boots map[string]int // how often each VM had booted when it was last looked at
}

// shopVMs are the VMs of the rig's protection group: each one's address in production, and the
// volume that it boots from.
var shopVMs = []struct{ name, ip, root string }{
	{"shop-db", "10.20.0.11", "shop-db-root"},
	{"shop-app", "10.20.0.12", "shop-app-root"},
}

func (s *kvmStory) play() error {
	for _, scene := range []func() error{
		s.open, s.lendCopy, s.isolated, s.lendNew, s.alarm, s.failover, s.produce, s.revert, s.returned, s.compareLent, s.close, s.compareEmpty, s.times,
	} {
		if err := scene(); err != nil {
			return err
		}
	}
	return nil
}

func (s *kvmStory) open() (err error) {
	s.say("A recovery site of three libvirt hosts idles. Production runs elsewhere, and a hotspare server stands by.")
	if err := s.serve(); err != nil {
		return err
	}
	if s.empty, err = s.site.dump(s.ctx); err != nil {
		return err
	}
	for _, vm := range shopVMs {
		boot, err := s.site.rig.WaitBoot(s.ctx, kvmsite.ProductionUUID(vm.name), 0)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "production's %s: %s\n", vm.name, tell(boot))
	}
	return s.run(0, "status")
}

func tell(b kvmsite.Boot) string {
	text := fmt.Sprintf("booted on network %s, disk %s, address %s, MAC %s", b.Net, b.Disk, b.IP, b.MAC)
	if b.Seed != "" {
		text += ", user data " + b.Seed
	}
	return text
}

// booted waits for the next boot of a VM of the group, and refuses another network or disk than
// these. A disk is named as VOLUME@RESTORE-POINT.
func (s *kvmStory) booted(network, point string) error {
	for _, vm := range shopVMs {
		id := kvmsite.VMUUID(vm.name)
		boot, err := s.site.rig.WaitBoot(s.ctx, id, s.boots[id])
		if err != nil {
			return err
		}
		s.boots[id]++
		fmt.Fprintf(s.out, "console of %s: %s\n", vm.name, tell(boot))
		if want := vm.root + "@" + point; boot.Net != network || boot.Disk != want || boot.IP != vm.ip {
			return fmt.Errorf("%s booted with %+v; want network %s, disk %s, address %s", vm.name, boot, network, want, vm.ip)
		}
	}
	return nil
}

func (s *kvmStory) lendCopy() error {
	s.say("Anna wants a copy of shop with real data: two VMs, on two hosts.")
	if err := s.run(0, "workspace", "request", "--copy", "shop", "--for", "4h", "--owner", "anna", "--name", "load test"); err != nil {
		return err
	}
	if err := s.booted("iso-1", "rp-2"); err != nil {
		return err
	}
	s.say("Its two VMs reach each other, and Anna writes to her disk.")
	for _, vm := range shopVMs {
		if _, err := s.get("iso-1", vm.ip, "/cgi-bin/write?written-by-anna-on-"+vm.name); err != nil {
			return err
		}
	}
	return s.wait("the copy's VMs reach each other", func() (bool, error) {
		line, err := s.site.rig.WaitConsole(s.ctx, "shop-app", "PEER ip=10.20.0.11 uuid="+kvmsite.VMUUID("shop-db"), 0)
		if err == nil {
			fmt.Fprintf(s.out, "console of shop-app: %s\n", line)
		}
		return err == nil, err
	})
}

func (s *kvmStory) get(network, address, path string) (string, error) {
	n, err := s.site.rig.Network(network)
	if err != nil {
		return "", err
	}
	return n.Get(s.ctx, address, path)
}

// isolated shows by the frames that the networks' bridges have seen that the copy does not reach
// production, which has the same addresses.
func (s *kvmStory) isolated() error {
	s.say("Production has the same addresses, and goes on undisturbed: its network has not seen one frame of the copy.")
	for _, network := range []string{"iso-1", "prod"} {
		answer, err := s.get(network, shopVMs[0].ip, "/")
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s in network %s answers: %s\n", shopVMs[0].ip, network, answer)
		for _, vm := range shopVMs {
			for _, mac := range []string{kvmsite.VMMAC(vm.name), kvmsite.VMMAC("production " + vm.name)} {
				seen, err := s.sees(network, mac)
				if err != nil {
					return err
				}
				copied := mac == kvmsite.VMMAC(vm.name)
				fmt.Fprintf(s.out, "frames from %s in network %s: %t\n", mac, network, seen)
				if seen != (copied == (network == "iso-1")) {
					return fmt.Errorf("frames from %s, of %s (copy: %t), in network %s: %t", mac, vm.name, copied, network, seen)
				}
			}
		}
	}
	return nil
}

// sees reports whether a network's bridge has had frames from this address.
func (s *kvmStory) sees(network, mac string) (bool, error) {
	n, err := s.site.rig.Network(network)
	if err != nil {
		return false, err
	}
	cmd, err := n.Command(s.ctx, "bridge", "fdb", "show", "br", "bridge")
	if err != nil {
		return false, err
	}
	learned, err := cmd.Output()
	return strings.Contains(string(learned), strings.ToLower(mac)), err
}

func (s *kvmStory) lendNew() (err error) {
	s.say("Ben wants a fresh VM from a template.")
	if err := s.run(0, "workspace", "request", "--template", "tiny", "--for", "2h", "--owner", "ben"); err != nil {
		return err
	}
	const name = "ws-2-tiny-1"
	id, err := s.uuid(name)
	if err != nil {
		return err
	}
	boot, err := s.site.rig.WaitBoot(s.ctx, id, 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "console of %s: %s\n", name, tell(boot))
	s.lent, err = s.site.dump(s.ctx)
	return err
}

// uuid asks libvirt for the UUID of a VM.
func (s *kvmStory) uuid(name string) (string, error) {
	for _, h := range s.site.rig.Hosts() {
		if id, err := h.Virsh(s.ctx, "domuuid", name); err == nil {
			return strings.TrimSpace(id), nil
		}
	}
	return "", fmt.Errorf("no host knows a VM %s", name)
}

func (s *kvmStory) alarm() error {
	s.say("Anna's load test has hung one of her guests: it will not shut down when it is asked.")
	if _, err := s.get("iso-1", shopVMs[1].ip, "/cgi-bin/deaf"); err != nil {
		return err
	}
	s.say("03:00. Production dies, and monitoring says so. Nobody is awake yet, and shop is reclaimed.")
	if err := s.site.rig.Production().PowerOff(s.ctx); err != nil {
		return err
	}
	result, err := s.alert(bytes.ReplaceAll(alertBody, []byte("erp-dr"), []byte("shop")))
	if err != nil {
		return err
	}
	if err := s.run(0, "run", "watch", result.Alerts[0].Run); err != nil {
		return err
	}
	if err := s.forced(result.Alerts[0].Run, 1); err != nil {
		return err
	}
	return s.run(0, "workspace", "list")
}

// forced refuses a run that has not cut off so many guests.
func (s *kvmStory) forced(id string, want int) error {
	run, err := s.client().Run(s.ctx, id)
	if err != nil {
		return err
	}
	forced := 0
	for _, step := range run.Run.Steps {
		if step.Forced {
			forced++
		}
	}
	if forced != want {
		return fmt.Errorf("run %s cut off %d guests, want %d", id, forced, want)
	}
	return nil
}

func (s *kvmStory) failover() error {
	s.say("The operator reads the plan, and Maria stands for it that production is dead.")
	if err := s.run(0, "plan", "failover", "shop"); err != nil {
		return err
	}
	cmd := s.command("failover", "shop", "--declared-dead-by", "maria")
	if err := s.crash(cmd, scheduler.Failover, "shop", 3); err != nil {
		return err
	}
	s.say("The standby VMs have booted from the promoted replica, on production's network. Their consoles say so.")
	if err := s.booted("prod", "rp-2"); err != nil {
		return err
	}
	return s.run(0, "group", "show", "shop")
}

func (s *kvmStory) produce() error {
	s.say("Production works, and writes.")
	for _, vm := range shopVMs {
		if _, err := s.get("prod", vm.ip, "/cgi-bin/write?order-4711"); err != nil {
			return err
		}
		seen, err := s.sees("prod", kvmsite.VMMAC(vm.name))
		if err != nil || !seen {
			return fmt.Errorf("network prod has no frames from %s: %w", vm.name, err)
		}
	}
	return nil
}

func (s *kvmStory) revert() error {
	s.say("The old site is mended. The group goes home, and what it wrote here is kept by name.")
	if err := s.run(0, "revert", "shop", "--writes", "kept", "--by", "maria"); err != nil {
		return err
	}
	return s.run(0, "workspace", "list")
}

func (s *kvmStory) returned() error {
	s.say("Anna's copy runs again, on the disks that she had written to.")
	if err := s.booted("iso-1", "rp-2"); err != nil {
		return err
	}
	for _, vm := range shopVMs {
		data, err := s.get("iso-1", vm.ip, "/cgi-bin/data")
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "on the disk of %s: %s\n", vm.name, data)
		if data != "written-by-anna-on-"+vm.name {
			return fmt.Errorf("the disk of %s holds %q, and not what Anna wrote", vm.name, data)
		}
	}
	return nil
}

func (s *kvmStory) compareLent() error {
	if err := s.noteKept(); err != nil {
		return err
	}
	return s.compare("after the revert, with the site before the alert", s.lent)
}

func (s *kvmStory) close() error {
	s.say("Everybody returns what they had.")
	for _, workspace := range []string{"ws-1", "ws-2"} {
		if err := s.run(0, "workspace", "return", workspace); err != nil {
			return err
		}
	}
	return nil
}

func (s *kvmStory) compareEmpty() error {
	return s.compare("at the very end, with the site before anything", s.empty)
}
