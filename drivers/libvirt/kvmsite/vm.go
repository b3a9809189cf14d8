package kvmsite

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// VMSpec is a guest to define.
type VMSpec struct {
	// Name is the domain's name.
	Name string
	// UUID of the domain; empty: one that is always the same for the name, see [VMUUID].
	UUID string
	// Disks are vda, vdb and so on.
	Disks []Disk
	// Bridge or Network: a bridge of the host ("br-prod", "iso-1"), or a libvirt network ("prod").
	// Without both the guest has no NIC.
	Bridge, Network string
	// Portgroup of the libvirt network; may be empty.
	Portgroup string
	// MAC address; empty: one made of the name, see [VMMAC].
	MAC string
	// IgnorePowerButton makes a guest that does not shut down when it is asked to.
	IgnorePowerButton bool
	// Pattern is what the guest writes to vda at each boot; empty: nothing. Letters and digits.
	Pattern string
	// DHCP makes a guest that asks its network for an address, beside the one that it has.
	DHCP bool
	// Agent gives the guest QEMU's guest agent, and the domain its channel.
	Agent bool
	// Metadata is XML below <metadata>; may be empty.
	Metadata string
	// Console names the console's log; empty: after the VM.
	Console string
	// MemoryMiB is 96 where it is 0. A guest needs 80.
	MemoryMiB int
}

// Disk is one disk of a guest: a file, or a network disk.
type Disk struct {
	// Path of a local file; empty for a network disk.
	Path string
	// Format is qcow2 or raw.
	Format string
	// Source is the <source> element of a network disk, as [NBD.Source] gives it.
	Source string
	// Serial that the guest sees; may be empty, at most 20 letters.
	Serial string
}

// VMUUID is the UUID of a VM whose spec names none.
func VMUUID(name string) string { return fixedUUID("vm " + name) }

// VMMAC is the MAC address of a VM whose spec names none.
func VMMAC(name string) string {
	id := fixedUUID("mac " + name)
	return fmt.Sprintf("52:54:00:%s:%s:%s", id[0:2], id[2:4], id[4:6])
}

// Define defines a guest on a host, off. It boots the rig's kernel, not its disk.
func (s *Site) Define(ctx context.Context, h Host, spec VMSpec) error {
	file := h.path("vm-" + spec.Name + ".xml")
	if err := os.WriteFile(file, []byte(s.DomainXML(spec)), 0o644); err != nil {
		return fmt.Errorf("define %s on %s: %w", spec.Name, h.Name, err)
	}
	if _, err := h.Virsh(ctx, "define", file); err != nil {
		return fmt.Errorf("define %s on %s: %w", spec.Name, h.Name, err)
	}
	return nil
}

// DomainXML is what Define defines.
func (s *Site) DomainXML(spec VMSpec) string {
	if spec.UUID == "" {
		spec.UUID = VMUUID(spec.Name)
	}
	if spec.MAC == "" {
		spec.MAC = VMMAC(spec.Name)
	}
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = 96
	}
	if spec.Console == "" {
		spec.Console = spec.Name
	}
	var b strings.Builder
	line := func(format string, args ...any) {
		for i, a := range args {
			if text, ok := a.(string); ok {
				args[i] = escape(text)
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("<domain type='%s'>", s.kernel.accel)
	line("<name>%s</name><uuid>%s</uuid>", spec.Name, spec.UUID)
	if spec.Metadata != "" {
		b.WriteString("<metadata>" + spec.Metadata + "</metadata>\n")
	}
	line("<memory unit='MiB'>%d</memory><vcpu>1</vcpu>", spec.MemoryMiB)
	line("<os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s</kernel><initrd>%s</initrd><cmdline>%s</cmdline></os>",
		s.kernel.image, spec.initrd(s.kernel), spec.commandLine())
	line("<features><acpi/></features><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>")
	line("<devices>")
	for i, d := range spec.Disks {
		kind, source := "network", d.Source
		if d.Path != "" {
			kind, source = "file", fmt.Sprintf("<source file='%s'/>", escape(d.Path))
		}
		line("<disk type='%s' device='disk'><driver name='qemu' type='%s'/>", kind, d.Format)
		b.WriteString(source)
		line("<target dev='vd%c' bus='virtio'/>", 'a'+rune(i))
		if d.Serial != "" {
			line("<serial>%s</serial>", d.Serial)
		}
		line("</disk>")
	}
	if spec.Network != "" {
		portgroup := ""
		if spec.Portgroup != "" {
			portgroup = fmt.Sprintf(" portgroup='%s'", escape(spec.Portgroup))
		}
		fmt.Fprintf(&b, "<interface type='network'><source network='%s'%s/>", escape(spec.Network), portgroup)
	} else if spec.Bridge != "" {
		line("<interface type='bridge'><source bridge='%s'/>", spec.Bridge)
	}
	if spec.Network != "" || spec.Bridge != "" {
		line("<mac address='%s'/><model type='virtio'/><rom enabled='no'/></interface>", spec.MAC)
	}
	if spec.Agent {
		line("<channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
	}
	line("<serial type='file'><source path='%s' append='on'/></serial>", s.consolePath(spec.Console))
	line("<memballoon model='none'/></devices></domain>")
	return b.String()
}

func (spec VMSpec) initrd(k kernel) string {
	if spec.Agent {
		return k.agentInitrd()
	}
	return k.initrd
}

func (spec VMSpec) commandLine() string {
	words := "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check"
	if spec.IgnorePowerButton {
		words += " ignore"
	}
	if spec.DHCP {
		words += " dhcp"
	}
	if spec.Agent {
		words += " agent"
	}
	if spec.Pattern != "" {
		words += " pattern=" + spec.Pattern
	}
	return words
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
