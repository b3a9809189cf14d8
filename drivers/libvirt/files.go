package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/hotspare/hotspare/drivers"
)

// leastFree is what the volumes pool must have free before an overlay is made: what its
// guest will write is not known, and a full pool pauses every guest on it.
const leastFree = 256 << 20

// scratchPrefix begins the name of a file that is not whole yet. It is always the same for
// the same file, so that one that a killed process left is found and deleted.
const scratchPrefix = ".tmp-"

func scratchOf(path string) string {
	return filepath.Join(filepath.Dir(path), scratchPrefix+filepath.Base(path))
}

// writeFile makes a file's content so, whole or not at all, and lasting.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(scratchOf(path))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return errors.Join(err, syncPath(filepath.Dir(path)))
}

// syncPath makes a file, or a folder's list of names, last beyond a crash of the machine.
func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readFile gives a file's content; nil where there is none.
func readFile(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return content, err
}

// deleteFile deletes a file, and what is left of its making, if they are there.
func deleteFile(path string) error {
	var failed []error
	for _, p := range []string{path, scratchOf(path)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}

// room refuses to make something in a folder that is nearly full.
func room(folder string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return err
	}
	if free := s.Bavail * uint64(s.Bsize); free < leastFree {
		return drivers.Refusef("make a disk in", folder, "free room in the pool", "it has %d MiB free, and %d are kept for the guests that run", free>>20, leastFree>>20)
	}
	return nil
}

// makeOverlay makes a qcow2 image that hangs on another one, of which the format is given
// and not looked for. It appears whole or not at all, and never over one that exists.
func makeOverlay(ctx context.Context, path, backing, format string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := room(folder); err != nil {
		return err
	}
	made := scratchOf(path)
	if err := os.RemoveAll(made); err != nil {
		return err
	}
	defer os.Remove(made)
	text, err := qemuImg(ctx, "create", "-q", "-f", "qcow2", "-F", format, "-b", backing, made)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return drivers.Refusef("make", path, "install qemu-utils where the driver runs", "there is no qemu-img")
	case err != nil && strings.Contains(text, "No space left"):
		return drivers.Refusef("make", path, "free room in the pool", "%s", text)
	case err != nil:
		return fmt.Errorf("qemu-img: %w: %s", err, text)
	}
	if err := os.Chmod(made, 0o644); err != nil {
		return err
	}
	if err := syncPath(made); err != nil {
		return err
	}
	if err := os.Link(made, path); err != nil {
		return err
	}
	return syncPath(folder)
}

// qemuImg runs qemu-img, which dies with this process: nobody else writes to what it makes.
func qemuImg(ctx context.Context, args ...string) (complaint string, err error) {
	runtime.LockOSThread() // the child is told of the death of its thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
