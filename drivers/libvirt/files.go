package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// leastFree is what the volumes pool must have free before an overlay is made: what its
// guest will write is not known, and a full pool pauses every guest on it.
const leastFree = 256 << 20

// writeFile makes a file's content so, whole or not at all, and lasting.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func syncFolder(path string) error {
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

// deleteFile deletes a file, if it is there.
func deleteFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
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
		return refuse("make a disk in", folder, "free room in the pool", "it has %d MiB free, and %d are kept for the guests that run", free>>20, leastFree>>20)
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
	scratch, err := os.MkdirTemp(folder, ".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, "disk")
	out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", backing, made).CombinedOutput()
	switch text := strings.TrimSpace(string(out)); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return refuse("make", path, "install qemu-utils where the driver runs", "there is no qemu-img")
	case err != nil && strings.Contains(text, "No space left"):
		return refuse("make", path, "free room in the pool", "%s", text)
	case err != nil:
		return fmt.Errorf("qemu-img: %w: %s", err, text)
	}
	if err := os.Chmod(made, 0o644); err != nil {
		return err
	}
	if err := os.Link(made, path); err != nil {
		return err
	}
	return syncFolder(folder)
}
