package libvirt

import (
	"context"

	"libvirt.org/go/libvirt"
)

// listing is all domains of a host at one moment.
type listing struct {
	machines []*machine
}

// find gives a domain of a listing, which may be nil.
func (l *listing) find(uuid string) *machine {
	if l == nil {
		return nil
	}
	for _, m := range l.machines {
		if m.uuid == uuid {
			return m
		}
	}
	return nil
}

// list reads all domains of a host, and remembers them for the time when it is gone.
func (h *host) list(ctx context.Context) (*listing, error) {
	l, err := read(ctx, h, func(conn *libvirt.Connect) (*listing, error) {
		l := &listing{}
		domains, err := conn.ListAllDomains(0)
		if err != nil {
			return nil, err
		}
		var failed error
		for i := range domains {
			if failed == nil {
				m, err := readMachine(h, &domains[i])
				switch {
				case err == nil:
					l.machines = append(l.machines, m)
				case !isAbsent(err): // one that has gone meanwhile is left out
					failed = err
				}
			}
			_ = domains[i].Free()
		}
		return l, failed
	})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.seen = l
	h.mu.Unlock()
	return l, nil
}

// lastSeen gives what the host had when it was listed last; nil where it never was.
func (h *host) lastSeen() *listing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}
