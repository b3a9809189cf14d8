package kvmsite

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

//go:embed guest/host-init
var hostInit string

// Host is one libvirt host: namespaces of its own for mounts, network, name and processes, and
// a libvirtd in them. Its methods may be called from several goroutines, but not two of them
// that change the same host.
type Host struct {
	site   *Site
	number int
	// Name is also its hostname: kvm-1.
	Name string
}

// URI is where libvirt clients find the host.
func (h Host) URI() string {
	return "qemu+unix:///system?socket=" + h.path("run", "libvirt-sock")
}

// UUID is the host's own UUID, as libvirt tells it; the same at every start.
func (h Host) UUID() string { return fixedUUID("host " + h.Name) }

func (h Host) path(parts ...string) string {
	return h.site.path(append([]string{h.Name}, parts...)...)
}

// fixedUUID is a UUID that is always the same for the same name.
func fixedUUID(name string) string {
	b := sha256.Sum256([]byte("hotspare kvmsite " + name))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// networks are those that the host is plugged into.
func (h Host) networks() []string {
	if h.Name == productionHost {
		return []string{"prod", storageNetwork}
	}
	var names []string
	for _, n := range networks {
		names = append(names, n.Name)
	}
	return names
}

// PowerUp starts a host that is off: its namespaces, its networks, its libvirtd.
func (h Host) PowerUp(ctx context.Context) error {
	if p, err := h.init(); err != nil || p != nil {
		return err
	}
	if err := h.files(); err != nil {
		return fmt.Errorf("power up %s: %w", h.Name, err)
	}
	pid, err := h.site.start(h.Name, syscall.CLONE_NEWNS|syscall.CLONE_NEWNET|syscall.CLONE_NEWUTS|syscall.CLONE_NEWPID,
		h.path("log", "init.log"), "/bin/sh", h.site.path("host-init"), h.Name, h.path())
	if err != nil {
		return err
	}
	if err := h.plug(ctx, pid, h.networks()); err != nil {
		return fmt.Errorf("power up %s: %w", h.Name, err)
	}
	err = poll(ctx, h.Name+" has its file systems", func() (bool, error) {
		if p, err := h.init(); err != nil || p == nil {
			return false, errors.Join(err, fmt.Errorf("%s did not start: read %s", h.Name, h.path("log", "init.log")))
		}
		return exists(h.path("ready")), nil
	})
	if err != nil {
		return err
	}
	return h.Restart(ctx)
}

// files writes what a host starts from, and forgets what a reboot would.
func (h Host) files() error {
	if err := errors.Join(os.RemoveAll(h.path("run")), os.RemoveAll(h.path("ready"))); err != nil {
		return err
	}
	for _, d := range []string{"etc/nwfilter", "run", "lib", "cache", "log"} {
		if err := os.MkdirAll(h.path(d), 0o755); err != nil {
			return err
		}
	}
	libvirtd := fmt.Sprintf(`unix_sock_dir = "/run/libvirt"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = %q
max_client_requests = 20
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
`, h.UUID())
	// The owner of a restore point's file is not libvirt's to change.
	const qemu = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`
	return errors.Join(
		os.WriteFile(h.path("etc/libvirtd.conf"), []byte(libvirtd), 0o644),
		os.WriteFile(h.path("etc/qemu.conf"), []byte(qemu), 0o644))
}

// init is the host's first process; nil while the host is off.
func (h Host) init() (*process, error) {
	list, err := processes(h.site.dir)
	if p := leader(list, h.Name); p != nil && p.isInit {
		return p, err
	}
	return nil, err
}

// PowerOff cuts the host's power: its guests and its libvirtd die at once.
func (h Host) PowerOff(ctx context.Context) error {
	p, err := h.init()
	if err != nil || p == nil {
		return err
	}
	return end(ctx, []process{*p})
}

func (h Host) enter(pid int, argv ...string) []string {
	return append([]string{"nsenter", "-t", strconv.Itoa(pid), "-m", "-n", "-u", "-p"}, argv...)
}

// Virsh runs virsh's command line on the host, and gives what it prints. A host that does not
// answer is given up after 30 seconds.
func (h Host) Virsh(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "virsh", append([]string{"-q", "-c", h.URI()}, args...)...)
}

// Run runs a command inside the host's namespaces, and gives what it prints.
func (h Host) Run(ctx context.Context, argv ...string) (string, error) {
	p, err := h.init()
	if err != nil {
		return "", err
	}
	if p == nil {
		return "", fmt.Errorf("run %s on %s: the host is off", strings.Join(argv, " "), h.Name)
	}
	argv = h.enter(p.pid, argv...)
	return run(ctx, argv[0], argv[1:]...)
}
