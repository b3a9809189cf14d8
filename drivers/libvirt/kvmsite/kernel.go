package kvmsite

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed guest/init
var guestInit string

// guestModules are what the guest loads of the kernel's modules.
var guestModules = strings.Fields(`virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
	virtio_blk failover net_failover virtio_net virtio_console button evdev scsi_common scsi_mod libata cdrom ata_piix sr_mod
	isofs fat vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1`)

// kernel is what a guest boots from, and how.
type kernel struct{ image, initrd, accel string }

// agentInitrd is the initramfs with QEMU's guest agent in it.
func (k kernel) agentInitrd() string { return filepath.Join(filepath.Dir(k.initrd), "initrd-agent.gz") }

// cacheDir keeps kernels between sites; each site has copies of its own.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "hotspare", "kvmsite")
	return dir, os.MkdirAll(dir, 0o755)
}

// prepareKernel gives the guests' kernel and initramfs, from the cache where they are there.
func prepareKernel(ctx context.Context) (kernel, error) {
	cache, err := cacheDir()
	if err != nil {
		return kernel{}, fmt.Errorf("make the cache folder: %w", err)
	}
	sum := sha256.Sum256([]byte(guestInit + strings.Join(guestModules, " ")))
	dir := filepath.Join(cache, fmt.Sprintf("guest-%x", sum[:6]))
	k := kernel{image: filepath.Join(dir, "vmlinuz"), initrd: filepath.Join(dir, "initrd.gz")}
	if !exists(k.agentInitrd()) {
		if err := makeKernel(ctx, cache, dir); err != nil {
			return kernel{}, fmt.Errorf("make the guests' kernel: %w", err)
		}
	}
	k.accel, err = acceleration(ctx, cache, k)
	return k, err
}

// makeKernel builds the folder dir, whole or not at all.
func makeKernel(ctx context.Context, cache, dir string) error {
	work, err := os.MkdirTemp(cache, "make-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	image, modules, err := findKernel(ctx, cache, work)
	if err != nil {
		return err
	}
	made := filepath.Join(work, "guest")
	if err := os.MkdirAll(made, 0o755); err != nil {
		return err
	}
	if err := copyFile(image, filepath.Join(made, "vmlinuz"), 0o644); err != nil {
		return err
	}
	initrd := filepath.Join(made, "initrd.gz")
	if err := makeInitramfs(ctx, modules, filepath.Join(work, "root"), initrd); err != nil {
		return err
	}
	if err := addAgent(ctx, initrd, filepath.Join(work, "agent"), kernel{initrd: initrd}.agentInitrd()); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil && !exists(dir) {
		return err
	}
	return nil
}

// findKernel gives a cloud kernel's image and its modules' folder: an installed one, or Debian's
// package, which is downloaded into the cache and unpacked into work.
func findKernel(ctx context.Context, cache, work string) (image, modules string, err error) {
	root := "/"
	found := func() bool {
		images, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*cloud-amd64"))
		if len(images) == 0 {
			return false
		}
		image = images[len(images)-1]
		modules = filepath.Join(root, "lib/modules", strings.TrimPrefix(filepath.Base(image), "vmlinuz-"))
		return exists(modules)
	}
	if found() {
		return image, modules, nil
	}
	root = filepath.Join(work, "kernel")
	debs, _ := filepath.Glob(filepath.Join(cache, "linux-image-*.deb"))
	if len(debs) == 0 {
		if err := download(ctx, cache); err != nil {
			return "", "", err
		}
		debs, _ = filepath.Glob(filepath.Join(cache, "linux-image-*.deb"))
	}
	if len(debs) == 0 {
		return "", "", fmt.Errorf("apt-get downloaded no kernel: put a Debian linux-image-*-cloud-amd64 package into %s", cache)
	}
	if _, err := run(ctx, "dpkg-deb", "-x", debs[len(debs)-1], root); err != nil {
		return "", "", err
	}
	if !found() {
		return "", "", fmt.Errorf("%s holds no kernel: delete it", debs[len(debs)-1])
	}
	return image, modules, nil
}

func download(ctx context.Context, cache string) error {
	depends, err := run(ctx, "apt-cache", "depends", "linux-image-cloud-amd64")
	name := regexp.MustCompile(`Depends: (linux-image-\S+)`).FindStringSubmatch(depends)
	if err != nil || name == nil {
		return fmt.Errorf("apt knows no linux-image-cloud-amd64 (%v): run `apt-get update`, or put the package into %s", err, cache)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "apt-get", "download", name[1])
	cmd.Dir = cache
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get download %s: %w: %s: run `apt-get update`, or put the package into %s", name[1], err, lastLine(string(out)), cache)
	}
	return nil
}

// makeInitramfs packs busybox, the init and the modules that the guest loads.
func makeInitramfs(ctx context.Context, modules, root, file string) error {
	for _, d := range []string{"bin", "dev", "proc", "sys", "m"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if err := copyFile(busybox, filepath.Join(root, "bin/busybox"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(guestInit), 0o755); err != nil {
		return err
	}
	const script = `set -e
for m in $3; do
  f=$(find "$1" -name "$m.ko" -o -name "$m.ko.xz" | head -n 1)
  case $f in *.xz) xz -dc "$f" >"$2/m/$m.ko";; ?*) cp "$f" "$2/m/$m.ko";; esac
done
cd "$2" && find . | cpio -o -H newc --quiet | gzip -1 >"$4"`
	_, err = run(ctx, "sh", "-c", script, "pack", modules, root, strings.Join(guestModules, " "), file)
	return err
}

// addAgent packs the machine's own guest agent and its libraries behind an initramfs.
func addAgent(ctx context.Context, initrd, root, file string) error {
	agent, err := exec.LookPath("qemu-ga")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return err
	}
	if err := copyFile(agent, filepath.Join(root, "bin/qemu-ga"), 0o755); err != nil {
		return err
	}
	const script = `set -e
cp -L --parents $(ldd "$1" | grep -o '/[^ ]*') "$2"
{ cat "$3"; cd "$2"; find . | cpio -o -H newc --quiet | gzip -1; } >"$4"`
	_, err = run(ctx, "sh", "-c", script, "pack", agent, root, initrd, file)
	return err
}

func copyFile(from, to string, mode os.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, mode)
}

// acceleration tells how guests run here: "kvm" where a guest boots with it, else "qemu".
// /dev/kvm may be there and yet hang a guest, so one is tried, once for each boot of the machine.
func acceleration(ctx context.Context, cache string, k kernel) (string, error) {
	if !exists("/dev/kvm") {
		return "qemu", nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the machine's boot id: %w", err)
	}
	file := filepath.Join(cache, "acceleration")
	if known, err := os.ReadFile(file); err == nil {
		if accel, ok := strings.CutPrefix(string(known), string(boot)); ok && (accel == "kvm" || accel == "qemu") {
			return accel, nil
		}
	}
	accel := "qemu"
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := run(probe, "qemu-system-x86_64", "-accel", "kvm", "-m", "96", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", k.image, "-initrd", k.initrd, "-append", "console=ttyS0 quiet panic=-1 probe")
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if strings.Contains(out, "BOOTED") {
		accel = "kvm"
	}
	return accel, os.WriteFile(file, append(boot, accel...), 0o644)
}
