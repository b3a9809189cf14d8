package kvmsite

import (
	"fmt"
	"os"
	"syscall"
)

// lock keeps a second up or down out of the folder, which must be there. It ends with this
// process, or with the function that it gives.
func (s *Site) lock() (unlock func(), err error) {
	f, err := os.Open(s.dir)
	if err != nil {
		return nil, fmt.Errorf("lock the site's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: another up or down is at work on it: wait for it, or stop it with Ctrl-C", s.dir)
	}
	return func() { f.Close() }, nil
}
