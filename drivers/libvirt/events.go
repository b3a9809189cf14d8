package libvirt

import (
	"errors"
	"fmt"
	"sync"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

var eventLoop struct {
	once sync.Once
	err  error
}

// startEventLoop starts libvirt's event loop, once for the process and before the first
// connection: keepalive needs it. It is the first call of the library, and so tells where
// the library is missing.
func startEventLoop() error {
	eventLoop.once.Do(func() {
		if eventLoop.err = libvirt.EventRegisterDefaultImpl(); eventLoop.err != nil {
			return
		}
		go func() {
			for {
				_ = libvirt.EventRunDefaultImpl() // an error concerns one event, and the next ones go on
			}
		}()
	})
	if eventLoop.err == nil {
		return nil
	}
	text := eventLoop.err.Error()
	var e libvirt.Error
	if errors.As(eventLoop.err, &e) {
		text = e.Message
	}
	return &drivers.Error{
		Kind: drivers.Invalid, Op: "load", Object: "libvirt's client library libvirt.so.0",
		Cause: fmt.Errorf("%s", text), Next: "install it where the driver runs: the package libvirt0 (Debian, Ubuntu) or libvirt-libs (Fedora, RHEL)",
	}
}

// bell wakes everyone who waits for something to change at a host.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait gives a channel that is closed when the bell rings next.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}
