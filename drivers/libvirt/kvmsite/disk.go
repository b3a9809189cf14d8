package kvmsite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Where texts stand on a guest's disk, in bytes. The guest's init knows the same places.
const (
	sector       = 512
	markerAt     = 0 * sector    // what the disk is: "shop-db-root@rp-2"
	settingsAt   = 1 * sector    // the guest's address and its peer's: "ip=10.20.0.11,peer=10.20.0.12"
	dataAt       = 2048 * sector // what a guest wrote
	diskMiB      = 32
	diskFileMode = 0o644
	// A restore point's or template's file is not to be written any more.
	finalFileMode = 0o444
)

// MakeDisk makes a disk of 32 MiB: the marker is the text that a guest tells as its disk, the
// settings its address and peer as "ip=10.20.0.11,peer=10.20.0.12", which may be empty. The
// format is raw or qcow2; the file must not be there yet.
func MakeDisk(ctx context.Context, path, format, marker, settings string) error {
	if err := makeDisk(ctx, path, format, marker, settings); err != nil {
		return fmt.Errorf("make disk %s: %w", path, err)
	}
	return nil
}

func makeDisk(ctx context.Context, path, format, marker, settings string) error {
	if exists(path) {
		return fmt.Errorf("the file is there already: delete it, or choose another name")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	raw := path
	if format != "raw" {
		raw = path + ".raw"
		defer os.Remove(raw)
	}
	if err := writeRaw(raw, marker, settings); err != nil {
		return err
	}
	if format == "raw" {
		return nil
	}
	_, err := run(ctx, "qemu-img", "convert", "-f", "raw", "-O", format, raw, path)
	return err
}

func writeRaw(path, marker, settings string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, diskFileMode)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(diskMiB << 20); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(marker), markerAt); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(settings), settingsAt); err != nil {
		return err
	}
	return f.Close()
}

// makeOverlay makes a qcow2 file over another, which it names as base does, with another marker
// and data of its own.
func makeOverlay(ctx context.Context, path, base, marker, data string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if _, err := run(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path); err != nil {
		return err
	}
	for at, text := range map[int]string{markerAt: marker, dataAt: data} {
		if err := os.WriteFile(path+".text", append([]byte(text), make([]byte, sector-len(text))...), 0o600); err != nil {
			return err
		}
		if _, err := run(ctx, "qemu-io", "-f", "qcow2", "-c", fmt.Sprintf("write -q -s %s.text %d %d", path, at, sector), path); err != nil {
			return err
		}
	}
	return os.Remove(path + ".text")
}
