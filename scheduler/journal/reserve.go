package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func (j *Journal) reservePath() string { return j.db.Path() + ".reserve" }

// reserve fills a file beside the journal that is deleted when the disk is full. Where
// there is no room for all of it nothing is left behind.
func (j *Journal) reserve() error {
	if j.opts.ReserveMiB < 0 {
		if err := os.Remove(j.reservePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if info, err := os.Stat(j.reservePath()); err == nil && info.Size() == int64(j.opts.ReserveMiB)<<20 {
		return nil
	}
	if err := fill(j.reservePath(), j.opts.ReserveMiB); err != nil {
		return errors.Join(err, os.Remove(j.reservePath()))
	}
	return nil
}

// Recover sets the reserve aside again where the disk ran full and now has room for twice
// as much, so that no record wants for what it takes; Full is false then. It does nothing
// where the disk has not been full, or still is. It writes up to ReserveMiB, and is for
// one caller at a time.
func (j *Journal) Recover() error {
	if !j.full.Load() {
		return nil
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(j.db.Path()), &disk); err != nil {
		return fmt.Errorf("look for room on the disk of journal %s: %w", j.db.Path(), err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < 2*uint64(max(j.opts.ReserveMiB, 1))<<20 {
		return nil
	}
	err := j.reserve()
	if noSpace(err) {
		return nil // a quota, say: it stays as it is
	}
	if err != nil {
		return fmt.Errorf("set disk space aside beside %s: %w", j.db.Path(), err)
	}
	j.full.Store(false)
	j.opts.Log.Info("the disk has room again: lending goes on", "file", j.db.Path())
	return nil
}

// fill writes a file of so many MiB: one with holes would set nothing aside.
func fill(path string, mib int) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, 1<<20)
	for range mib {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}

// noSpace reports whether an error says that the disk, or a quota on it, is full. Bbolt
// tells some of its errors by their text alone.
func noSpace(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, errno) || err != nil && strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}
