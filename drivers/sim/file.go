package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// file keeps a site's state in a JSON file, written whole beside it and renamed, so that
// a process that is killed at any moment leaves the state before or after a change.
type file struct {
	path string
	seen fs.FileInfo // of the state in memory; nil: none
}

// Open gives the site that lives in a file, and makes an empty one where there is none.
// Several processes may open the same file; each change is made under a lock on
// "<path>.lock".
func Open(path string) (*Site, error) {
	s := &Site{state: newState(), file: &file{path: path}}
	unlock, err := s.file.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return s, s.file.save(s.state)
	}
	return s, s.file.load(&s.state)
}

func (f *file) lock() (unlock func(), err error) {
	handle, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock site file %s: %w", f.path, err)
	}
	for {
		err = syscall.Flock(int(handle.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("lock site file %s: %w", f.path, err)
	}
	return func() { handle.Close() }, nil
}

func (f *file) load(into **state) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("read site file %s: %w", f.path, err)
	}
	if f.seen != nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() && info.ModTime().Equal(f.seen.ModTime()) {
		return nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read site file %s: %w", f.path, err)
	}
	loaded := newState()
	if err := json.Unmarshal(data, loaded); err != nil {
		return fmt.Errorf("read site file %s: %w; delete it to begin with a new site", f.path, err)
	}
	loaded.index.rebuild(loaded)
	*into, f.seen = loaded, info
	return nil
}

func (f *file) save(s *state) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write site file %s: %w", f.path, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".tmp*")
	if err != nil {
		return fmt.Errorf("write site file %s: %w", f.path, err)
	}
	_, err = temp.Write(data)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		// A new inode may have the number of the last one and be as large, within one
		// tick of the file system's clock: a time of our own tells them apart.
		now := time.Now()
		err = os.Chtimes(temp.Name(), now, now)
	}
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("write site file %s: %w", f.path, err)
	}
	f.seen, err = os.Stat(f.path)
	return err
}
