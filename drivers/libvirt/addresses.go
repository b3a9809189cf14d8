package libvirt

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"libvirt.org/go/libvirt"
)

const (
	// addressTime is what addresses may add to an inventory. Who was not asked in it is asked
	// first by the next one, and an answer that comes later is told by the next one.
	addressTime = 300 * time.Millisecond
	// agentCalls is how many guest agents of a host are asked at once, on connections beside
	// those of all other calls. libvirt sets no limit to an agent's answer: one that hangs holds
	// one of these, and one of libvirtd's threads, until its guest's channel closes.
	agentCalls = 3
	// agentHangsAfter is how long an agent may take for its answer until it counts as hung.
	agentHangsAfter = time.Second
	// heardFor is for how long what an agent said counts once it hangs.
	heardFor = 5 * time.Minute
	// addressesPerVM bounds what a guest can fill an inventory with.
	addressesPerVM = 16
)

// addressBook is what libvirt said of the addresses of one host's guests. It is kept between
// inventories, for an inventory does not wait until everybody was asked.
type addressBook struct {
	agents, leases, neighbours *addressSource
}

func newAddressBook() *addressBook {
	return &addressBook{
		agents:     newAddressSource(agentCalls, interfacesFrom(libvirt.DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)),
		leases:     newAddressSource(1, leasesOf),
		neighbours: newAddressSource(1, interfacesFrom(libvirt.DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)),
	}
}

// read asks about machines of a host, each source at once, for at most addressTime. A source
// that fails says nothing.
func (b *addressBook) read(ctx context.Context, h *host, machines []*machine) {
	ctx, cancel := context.WithTimeout(ctx, addressTime)
	defer cancel()
	var agents, networks, neighbours []subject
	for _, m := range machines {
		if !m.running() {
			continue
		}
		if m.state == libvirt.DOMAIN_RUNNING && agentConnected(m.live) {
			agents = append(agents, runOf(m))
		}
		for _, nic := range m.live.all("devices", "interface") {
			if network := libvirtNetwork(nic); network != "" && !slices.Contains(networks, subject{name: network}) {
				networks = append(networks, subject{name: network})
			}
		}
		if b.needsNeighbours(m) {
			neighbours = append(neighbours, runOf(m))
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { b.agents.update(ctx, h, agents) })
	wait.Go(func() { b.leases.update(ctx, h, networks) })
	wait.Go(func() { b.neighbours.update(ctx, h, neighbours) })
	wait.Wait()
}

// needsNeighbours reports whether a NIC of a machine, of a kind that the host may have
// neighbours on, has no address from a source that is trusted more.
func (b *addressBook) needsNeighbours(m *machine) bool {
	if len(b.agents.said(runOf(m))) > 0 {
		return false
	}
	for _, nic := range m.live.all("devices", "interface") {
		switch nic.attr("type") {
		case "bridge", "network", "ethernet":
			if len(b.lease(nic)) == 0 {
				return true
			}
		}
	}
	return false
}

func (b *addressBook) lease(nic *node) []netip.Addr {
	return addressesAt(b.leases.said(subject{name: libvirtNetwork(nic)}), nicSlot(nic))
}

// of gives what is known of the addresses of a machine that runs: what its agent says,
// those of its NICs first; without an agent those of its NICs in their order, each from its
// lease or else from the host's ARP table.
func (b *addressBook) of(m *machine) []string {
	if !m.running() {
		return nil
	}
	agent, neighbours := b.agents.said(runOf(m)), b.neighbours.said(runOf(m))
	var list []netip.Addr
	for _, nic := range m.live.all("devices", "interface") {
		if len(agent) > 0 {
			list = append(list, addressesAt(agent, nicSlot(nic))...)
		} else if leased := b.lease(nic); len(leased) > 0 {
			list = append(list, leased...)
		} else {
			list = append(list, addressesAt(neighbours, nicSlot(nic))...)
		}
	}
	for _, a := range agent {
		list = append(list, a.address)
	}
	var texts []string
	for _, address := range list {
		if text := address.String(); len(texts) < addressesPerVM && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// agentHangs reports whether a machine's agent was asked and does not answer. libvirt lets
// nobody else use it meanwhile.
func (b *addressBook) agentHangs(m *machine) bool {
	b.agents.mu.Lock()
	defer b.agents.mu.Unlock()
	a := b.agents.subjects[runOf(m)]
	return a != nil && !a.since.IsZero() && time.Since(a.since) > agentHangsAfter
}

// libvirtNetwork gives the libvirt network that a NIC is on; empty where it is on none.
func libvirtNetwork(nic *node) string { return nic.kid("source").attr("network") }

// subject is what a source is asked about: one run of a domain, by the domain's UUID and the
// run's id, or a libvirt network, by its name.
type subject struct{ name, run string }

func runOf(m *machine) subject { return subject{m.uuid, m.live.attr("id")} }

// heard is one address that somebody with this MAC address has.
type heard struct {
	mac     string // in small letters
	address netip.Addr
}

func addressesAt(list []heard, mac string) []netip.Addr {
	var found []netip.Addr
	for _, h := range list {
		if h.mac == mac {
			found = append(found, h.address)
		}
	}
	return found
}

// told is what a source said of one subject.
type told struct {
	asked time.Time // when the last call began that has ended; zero: never
	since time.Time // when the call in flight began; zero: none is
	heard []heard
}

// addressSource is one of libvirt's sources of addresses, and what it said.
type addressSource struct {
	ask   func(conn *libvirt.Connect, name string) ([]heard, error)
	calls chan struct{} // a token for each call in flight

	mu       sync.Mutex
	subjects map[subject]*told
}

func newAddressSource(calls int, ask func(*libvirt.Connect, string) ([]heard, error)) *addressSource {
	return &addressSource{ask: ask, calls: make(chan struct{}, calls)}
}

// update asks about subjects until the context ends, and forgets all others. A call that is
// in flight then goes on, and its answer is kept.
func (s *addressSource) update(ctx context.Context, h *host, subjects []subject) {
	queue := make(chan subject, len(subjects))
	for _, about := range s.due(subjects) {
		queue <- about
	}
	close(queue)
	var workers sync.WaitGroup
	for range min(cap(s.calls), len(queue)) {
		workers.Go(func() {
			for about := range queue {
				if ctx.Err() != nil {
					return
				}
				_, _ = callOn(ctx, h, s.calls, func(conn *libvirt.Connect) (struct{}, error) { return struct{}{}, s.hear(conn, about) })
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// due gives the subjects about which no call is in flight, those first that were not asked
// about for the longest time.
func (s *addressSource) due(subjects []subject) []subject {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := map[subject]*told{}
	var due []subject
	for _, about := range subjects {
		a := s.subjects[about]
		if a == nil {
			a = &told{}
		}
		kept[about] = a
		if a.since.IsZero() {
			due = append(due, about)
		} else if time.Since(a.since) > heardFor {
			a.heard = nil
		}
	}
	s.subjects = kept
	slices.SortStableFunc(due, func(x, y subject) int { return kept[x].asked.Compare(kept[y].asked) })
	return due
}

// hear makes one call, unless one about the same subject is in flight.
func (s *addressSource) hear(conn *libvirt.Connect, about subject) error {
	s.mu.Lock()
	a := s.subjects[about]
	if a == nil || !a.since.IsZero() {
		s.mu.Unlock()
		return nil
	}
	a.since = time.Now()
	s.mu.Unlock()
	list, err := s.ask(conn, about.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.asked, a.since, a.heard = a.since, time.Time{}, list
	return err
}

// said gives what a source said of a subject; nothing where it did not.
func (s *addressSource) said(about subject) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.subjects[about]; a != nil {
		return a.heard
	}
	return nil
}

// interfacesFrom asks about the domain with a UUID. The agent's order is kept, that of the
// ARP table, which is none, is not.
func interfacesFrom(source libvirt.DomainInterfaceAddressesSource) func(*libvirt.Connect, string) ([]heard, error) {
	return func(conn *libvirt.Connect, uuid string) ([]heard, error) {
		dom, err := conn.LookupDomainByUUIDString(uuid)
		if err != nil {
			return nil, err
		}
		defer dom.Free()
		interfaces, err := dom.ListAllInterfaceAddresses(source)
		var list []heard
		for _, i := range interfaces {
			for _, address := range i.Addrs {
				list = appendHeard(list, i.Hwaddr, address.Addr)
			}
		}
		if source != libvirt.DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT {
			sortHeard(list)
		}
		return list, err
	}
}

// leasesOf asks about all leases of a network at once, which are fewer calls than one for
// each domain. A network that libvirt serves no DHCP on has none.
func leasesOf(conn *libvirt.Connect, network string) ([]heard, error) {
	n, err := conn.LookupNetworkByName(network)
	if err != nil {
		return nil, err
	}
	defer n.Free()
	leases, err := n.GetDHCPLeases()
	var list []heard
	for _, l := range leases {
		list = appendHeard(list, l.Mac, l.IPaddr)
	}
	sortHeard(list)
	return list, err
}

// appendHeard adds an address that somebody elsewhere can reach: not one of the guest itself
// or of its link alone.
func appendHeard(list []heard, mac, text string) []heard {
	address, err := netip.ParseAddr(text)
	if err != nil || !address.Unmap().IsGlobalUnicast() {
		return list
	}
	return append(list, heard{strings.ToLower(mac), address.Unmap()})
}

func sortHeard(list []heard) {
	slices.SortFunc(list, func(x, y heard) int { return x.address.Compare(y.address) })
}
