package kvmsite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// needs are the commands that the rig runs, and the Debian package of each.
var needs = []struct{ command, pkg string }{
	{"libvirtd", "libvirt-daemon-system"}, {"virsh", "libvirt-clients"},
	{"qemu-system-x86_64", "qemu-system-x86"}, {"qemu-img", "qemu-utils"},
	{"busybox", "busybox-static"}, {"cpio", "cpio"}, {"ip", "iproute2"},
	{"tgtd", "tgt"}, {"nbdkit", "nbdkit"}, {"nsenter", "util-linux"},
	{"dnsmasq", "dnsmasq-base"}, {"qemu-ga", "qemu-guest-agent"},
	{"/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so", "qemu-block-extra"},
}

// Missing lists the Debian packages that have to be installed first; none is missing where
// it gives nil.
func Missing(context.Context) []string {
	var list []string
	for _, n := range needs {
		if _, err := exec.LookPath(n.command); err != nil && !(strings.HasPrefix(n.command, "/") && exists(n.command)) {
			list = append(list, n.pkg)
		}
	}
	return list
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Install installs what is missing with apt-get, and starts no service. It takes minutes, and
// needs root.
func Install(ctx context.Context) error {
	missing := Missing(ctx)
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install %s: you are not root: run `sudo apt-get install %[1]s`", strings.Join(missing, " "))
	}
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lastLine(string(out)))
		}
	}
	if missing := Missing(ctx); len(missing) > 0 {
		return fmt.Errorf("install: still missing after apt-get: %s", strings.Join(missing, " "))
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Usable says why the rig cannot run here, and what to do; nil where it can. A test skips with
// this line, and fails with it where CI is "true".
func Usable() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the KVM rig needs Linux on amd64, this is %s on %s: use such a machine", runtime.GOOS, runtime.GOARCH)
	}
	if os.Geteuid() != 0 {
		return errors.New("the KVM rig makes namespaces and needs root: run it with sudo")
	}
	if missing := Missing(context.Background()); len(missing) > 0 {
		return fmt.Errorf("the KVM rig misses packages: run `apt-get install --no-install-recommends %s`", strings.Join(missing, " "))
	}
	return nil
}
