package journal

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
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
