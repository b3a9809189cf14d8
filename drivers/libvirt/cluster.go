package libvirt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/hotspare/hotspare/drivers"
)

// cluster is the configured hosts, and the folder that they share for volumes.
type cluster struct {
	settings settings
	hosts    []*host // by name
	folder   string  // of the volumes pool
	targets  locks
	usages   sharedRead[[]usage]

	mu       sync.Mutex
	replicas map[string]*sharedRead[drivers.ReplicaItem] // by path
}

// openCluster connects to the hosts. It needs one that answers and has the volumes pool.
func openCluster(ctx context.Context, s settings) (*cluster, error) {
	if err := startEventLoop(); err != nil {
		return nil, err
	}
	cl := &cluster{settings: s}
	for _, name := range slices.Sorted(maps.Keys(s.hosts)) {
		cl.hosts = append(cl.hosts, newHost(name, s.hosts[name], s.connect))
	}
	if err := cl.findFolder(ctx); err != nil {
		cl.close()
		return nil, err
	}
	return cl, nil
}

func (cl *cluster) close() {
	var wait sync.WaitGroup
	for _, h := range cl.hosts {
		wait.Go(h.close)
	}
	wait.Wait()
}

// findFolder asks the hosts that answer where the volumes pool lies: at the same path on
// all of them, and on this machine.
func (cl *cluster) findFolder(ctx context.Context) error {
	pool := cl.settings.pool
	answers := onAll(ctx, cl.hosts, func(ctx context.Context, h *host) (string, error) { return poolFolder(ctx, h, pool) })
	var failed []error
	at := map[string]string{}
	for i, a := range answers {
		name := cl.hosts[i].name
		switch {
		case isAbsent(a.err):
			return drivers.InvalidAttribute("volumes_pool", fmt.Sprintf("host %s has no pool %q", name, pool))
		case a.err != nil:
			failed = append(failed, a.err)
		case a.value == "":
			return drivers.InvalidAttribute("volumes_pool", fmt.Sprintf("pool %q of host %s is no folder", pool, name))
		default:
			at[a.value] = name
			cl.folder = a.value
		}
	}
	if len(at) == 0 {
		return errors.Join(failed...)
	}
	if len(at) > 1 {
		return drivers.InvalidAttribute("volumes_pool", fmt.Sprintf("pool %q lies at different paths on the hosts: %v", pool, slices.Sorted(maps.Keys(at))))
	}
	if info, err := os.Stat(cl.folder); err != nil || !info.IsDir() {
		return drivers.InvalidAttribute("volumes_pool", fmt.Sprintf("this machine does not have the pool's folder %s mounted", cl.folder))
	}
	return nil
}

// poolFolder gives the path of a pool that is a folder; empty where it is none.
func poolFolder(ctx context.Context, h *host, name string) (string, error) {
	text, err := read(ctx, h, func(conn *libvirt.Connect) (string, error) {
		pool, err := conn.LookupStoragePoolByName(name)
		if err != nil {
			return "", err
		}
		defer pool.Free()
		return pool.GetXMLDesc(0)
	})
	if err != nil {
		return "", err
	}
	return folderOf(text)
}

func folderOf(poolXML string) (string, error) {
	var p libvirtxml.StoragePool
	if err := p.Unmarshal(poolXML); err != nil {
		return "", err
	}
	if p.Target == nil || p.Type != "dir" && p.Type != "fs" && p.Type != "netfs" {
		return "", nil
	}
	return p.Target.Path, nil
}

// host gives the host of that name; nil where the configuration has none.
func (cl *cluster) host(name string) *host {
	for _, h := range cl.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// answer is what one host said.
type answer[T any] struct {
	value T
	err   error
}

// onAll asks hosts at once.
func onAll[T any](ctx context.Context, hosts []*host, ask func(context.Context, *host) (T, error)) []answer[T] {
	answers := make([]answer[T], len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Go(func() { answers[i].value, answers[i].err = ask(ctx, h) })
	}
	wait.Wait()
	return answers
}

// locks let one change at a time at each target.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for its turn, and gives what ends it.
func (l *locks) lock(ctx context.Context, target string) (unlock func(), err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.mu.Lock()
		if l.held == nil {
			l.held = map[string]chan struct{}{}
		}
		freed, taken := l.held[target]
		if !taken {
			freed = make(chan struct{})
			l.held[target] = freed
		}
		l.mu.Unlock()
		if !taken {
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, target)
				close(freed)
			}, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
		}
	}
}

// sharedRead lets many changes at once share one costly read, but only one that began after
// they asked: what it says may not be older.
type sharedRead[T any] struct {
	mu    sync.Mutex
	next  *pendingRead[T] // not begun yet
	going chan struct{}   // closed at the end of the read that goes on
}

type pendingRead[T any] struct {
	done  chan struct{}
	value T
	err   error
}

func (s *sharedRead[T]) read(ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	s.mu.Lock()
	r := s.next
	if r == nil {
		r = &pendingRead[T]{done: make(chan struct{})}
		s.next = r
		go s.run(context.WithoutCancel(ctx), r, s.going, f)
	}
	s.mu.Unlock()
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// run reads once the read before has ended. It is for many callers: the end of one of them
// does not end it.
func (s *sharedRead[T]) run(ctx context.Context, r *pendingRead[T], before chan struct{}, f func(context.Context) (T, error)) {
	if before != nil {
		<-before
	}
	s.mu.Lock()
	s.next, s.going = nil, r.done
	s.mu.Unlock()
	r.value, r.err = f(ctx)
	close(r.done)
}
