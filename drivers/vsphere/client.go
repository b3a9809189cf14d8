package vsphere

import (
	"context"
	"errors"
	"sync"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// client is everything that one configuration needs to work at its cluster.
type client struct {
	settings settings
	session  *session
	vim      *vim25.Client
	watcher  *watcher
	places   places
	births   births
	targets  locks
	reads    *reads
	uuids    uuids
	attached batches[string, attachedRead]
	end      context.CancelFunc
}

var errClosed = errors.New("the driver was configured anew meanwhile")

// open connects, logs in, and finds what the configuration names.
func open(ctx context.Context, s settings, observe func(soap.HasFault)) (*client, error) {
	se, err := newSession(ctx, s, observe)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	shared := &reads{vim: se.client}
	cl := &client{settings: s, session: se, vim: se.client, reads: shared, watcher: newWatcher(life, se, shared), end: end}
	cl.attached.call, cl.attached.limit, cl.attached.patience = cl.readAttached, 2*callLimit, 2*callLimit
	err = cl.findPlaces(ctx)
	if err == nil {
		err = cl.checkCustomization(ctx)
	}
	if err != nil {
		cl.close()
		return nil, err
	}
	return cl, nil
}

func (cl *client) close() {
	cl.end()
	cl.session.close()
}

// births are the tasks of this process that make VMs.
type births struct {
	mu    sync.Mutex
	tasks map[types.ManagedObjectReference]bool
}

func (b *births) add(task types.ManagedObjectReference) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tasks == nil {
		b.tasks = map[types.ManagedObjectReference]bool{}
	}
	b.tasks[task] = true
}

func (b *births) drop(task types.ManagedObjectReference) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tasks, task)
}

func (b *births) has(task types.ManagedObjectReference) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tasks[task]
}

// locks lets one change at a time at each target. vCenter would refuse the second.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the target and gives the function that frees it.
func (l *locks) lock(ctx context.Context, target string) (func(), error) {
	for {
		l.mu.Lock()
		if l.held == nil {
			l.held = map[string]chan struct{}{}
		}
		freed, taken := l.held[target]
		if !taken {
			freed = make(chan struct{})
			l.held[target] = freed
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, target)
				close(freed)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
