package plan_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// tb is what [testing.T] and rapid's T have in common here.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// world is a site that does at once what it is told, the state that the journal's own fold
// keeps of it, and an executor without limits. It knows nothing of planning.
type world struct {
	tb
	site  *scheduler.Site
	state *scheduler.State
	now   time.Time

	hosts    map[string]map[string]drivers.HostItem // by cluster and name
	vms      map[drivers.Property]*machine          // by power
	at       map[drivers.Property]drivers.Value     // what stands
	points   map[drivers.Property][]drivers.RestorePoint
	stores   map[string][]drivers.DatastoreItem // by cluster
	flying   map[flight]drivers.Value           // steps whose change has begun, and their goals
	overfull map[string]bool                    // hosts that a plan said cannot hold it all
}

type machine struct {
	name, host string
	size       scheduler.Size
	template   bool
	guest      string // who runs in it while it is on: "production", or a workspace
}

type flight struct {
	run  string
	step int
}

func newWorld(t tb) *world {
	return &world{
		tb: t, state: scheduler.NewState(), now: start,
		site:  &scheduler.Site{Name: "dr", Rules: scheduler.WorkspaceRules{MaxLease: 72 * time.Hour, Shutdown: time.Minute}},
		hosts: map[string]map[string]drivers.HostItem{}, vms: map[drivers.Property]*machine{}, at: map[drivers.Property]drivers.Value{},
		points: map[drivers.Property][]drivers.RestorePoint{}, stores: map[string][]drivers.DatastoreItem{},
		flying: map[flight]drivers.Value{}, overfull: map[string]bool{},
	}
}

const gib = 1 << 10

// cluster adds a cluster with hosts h1, h2, ... of so much memory, production network
// "prod", network "standby" and isolated networks i1, i2, ...
func (w *world) cluster(name string, isolated int, hostsGiB ...int64) {
	w.site.Clusters = append(w.site.Clusters, scheduler.Cluster{Name: name, Driver: "sim", Room: scheduler.RoomRules{CPURatio: 4, MemoryRatio: 1}})
	w.site.Networks = append(w.site.Networks,
		scheduler.Network{Name: "prod-" + name, Cluster: name, PortGroup: "prod", Role: scheduler.ProductionNetwork},
		scheduler.Network{Name: "standby-" + name, Cluster: name, PortGroup: "standby", Role: scheduler.StandbyNetwork})
	pool := scheduler.IsolatedPool{Name: "pool-" + name, Cluster: name}
	for i := range isolated {
		pool.PortGroups = append(pool.PortGroups, fmt.Sprintf("i%d", i+1))
	}
	w.site.Isolated = append(w.site.Isolated, pool)
	w.hosts[name] = map[string]drivers.HostItem{}
	for i, memory := range hostsGiB {
		h := fmt.Sprintf("h%d", i+1)
		w.hosts[name][h] = drivers.HostItem{Name: h, CPUs: 64, MemoryMiB: memory * gib, Connected: true, Networks: append([]string{"prod", "standby"}, pool.PortGroups...)}
	}
}

// standby is a standby VM of a group.
type standby struct {
	name, cluster, host string
	memoryGiB           int64
	start               int
}

// group adds a protection group with replica "/r/NAME", on whose volume of its own name
// each VM has its disk "d0"; NIC "n0" is on prod in production, and "n1" is not mapped.
func (w *world) group(name string, vms ...standby) *scheduler.Group {
	g := scheduler.Group{Name: name, Priority: len(w.site.Groups) + 1, RTO: 15 * time.Minute, RPO: 10 * time.Minute, Copy: &scheduler.CopyRules{Allow: []string{"*"}}}
	for _, vm := range vms {
		replica := scheduler.ReplicaRef{Name: "replica-" + vm.cluster, Cluster: vm.cluster, Path: "/r/" + name}
		if g.Replica(replica.Name) == nil {
			g.Replicas = append(g.Replicas, replica)
			w.at[replica.Property()] = drivers.Value{Text: drivers.Secondary}
		}
		g.VMs = append(g.VMs, scheduler.StandbyVM{Name: vm.name, Cluster: vm.cluster, Start: vm.start,
			Disks: []scheduler.DiskMapping{{Slot: "d0", Replica: replica.Name, Volume: vm.name}},
			NICs:  []scheduler.NICMapping{{Slot: "n0", Production: "prod-" + vm.cluster}},
			Ready: &scheduler.ReadyCheck{Kind: scheduler.ReadyTCP, Address: vm.name + ":443", Within: time.Minute}})
		power := w.vm(vm.cluster, vm.name, vm.host, vm.memoryGiB, drivers.Off)
		w.at[power.On(drivers.Disk, "d0")] = drivers.Value{Text: "replica:" + vm.name}
		w.at[power.On(drivers.NIC, "n0")] = drivers.Value{Text: "standby"}
		w.at[power.On(drivers.NIC, "n1")] = drivers.Value{Text: "standby"}
	}
	w.site.Groups = append(w.site.Groups, g)
	w.restorePoint(name, "rp-1", 20*time.Minute, true)
	w.restorePoint(name, "rp-2", 5*time.Minute, true)
	w.restorePoint(name, "rp-3", time.Minute, false)
	return &w.site.Groups[len(w.site.Groups)-1]
}

func (w *world) restorePoint(group, id string, age time.Duration, complete bool) {
	g := w.site.Group(group)
	for _, replica := range g.Replicas {
		point := drivers.RestorePoint{ID: id, Time: w.now.Add(-age), Complete: complete, Volumes: map[string]string{}}
		for _, vm := range g.VMs {
			if vm.Disks[0].Replica == replica.Name {
				point.Volumes[vm.Name] = "point:" + vm.Name
			}
		}
		w.points[replica.Property()] = append(w.points[replica.Property()], point)
	}
}

func (w *world) vm(cluster, name, host string, memoryGiB int64, power string) drivers.Property {
	p := scheduler.Power(cluster, "id-"+name)
	w.vms[p] = &machine{name: name, host: host, size: scheduler.Size{CPUs: 2, MemoryMiB: memoryGiB * gib}}
	w.at[p] = drivers.Value{Text: power}
	return p
}

// template adds a template with a NIC on production's network.
func (w *world) template(cluster, name string, memoryGiB int64) {
	p := w.vm(cluster, "golden-"+name, "h1", memoryGiB, drivers.Off)
	w.vms[p].template = true
	w.at[p.On(drivers.NIC, "n0")] = drivers.Value{Text: "prod"}
	w.site.Template = append(w.site.Template, scheduler.Template{Name: name, Cluster: cluster, Source: "golden-" + name, Network: scheduler.IsolatedNetworkName})
}

func (w *world) inventory() scheduler.Inventory {
	inv := scheduler.Inventory{}
	for cluster, hosts := range w.hosts {
		var items []drivers.Item
		for _, host := range hosts {
			items = append(items, drivers.Item{Host: &host})
			for _, network := range host.Networks {
				items = append(items, drivers.Item{Network: &drivers.NetworkItem{Name: network}})
			}
		}
		for _, ds := range w.stores[cluster] {
			items = append(items, drivers.Item{Datastore: &ds})
		}
		for power, vm := range w.vms {
			if power.Cluster != cluster {
				continue
			}
			item := drivers.VMItem{ID: power.Target, Name: vm.name, Host: vm.host, Power: w.at[power].Text, Template: vm.template,
				CPUs: int(vm.size.CPUs), MemoryMiB: vm.size.MemoryMiB, Disks: map[string]string{}, NICs: map[string]string{}}
			for p, value := range w.at {
				switch {
				case p.On(drivers.Power, "") != power:
				case p.Name == drivers.Disk:
					item.Disks[p.Slot] = value.Text
				case p.Name == drivers.NIC:
					item.NICs[p.Slot] = value.Text
				}
			}
			items = append(items, drivers.Item{VM: &item})
		}
		for p, points := range w.points {
			if p.Cluster == cluster {
				items = append(items, drivers.Item{Replica: &drivers.ReplicaItem{Path: p.Target, Role: w.at[p].Text, RestorePoints: points}})
			}
		}
		one, err := scheduler.NewClusterInventory(w.now, items)
		if err != nil {
			w.Fatalf("the world's inventory: %v", err)
		}
		inv[cluster] = one
	}
	return inv
}

func (w *world) snap() *scheduler.Snapshot {
	return &scheduler.Snapshot{Now: w.now, Site: w.site, State: w.state, Inventory: w.inventory()}
}

func (w *world) fold(r journal.Record) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	r.At = w.now
	if err := journal.Fold(w.state, &r); err != nil {
		w.Fatalf("the journal refuses %+v: %v", r, err)
	}
}

// request enters a request, and plans its lend.
func (w *world) request(ws scheduler.Workspace) (string, *scheduler.Plan, error) {
	ws.ID, ws.Requested, ws.Lease = w.state.NextWorkspace(), w.now, 4*time.Hour
	if ws.Owner == "" {
		ws.Owner = "anna"
	}
	w.fold(journal.Record{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: ws}})
	p, err := plan.LendWorkspace(w.snap(), w.state.Workspaces[ws.ID])
	return ws.ID, p, err
}

// lend requests and lends, and lets the run end.
func (w *world) lend(ws scheduler.Workspace) string {
	w.Helper()
	id, p, err := w.request(ws)
	if err != nil {
		w.Fatalf("lend %+v: %v", ws, err)
	}
	w.run(p)
	return id
}

// accept lints the plan and makes it a run.
func (w *world) accept(p *scheduler.Plan) string {
	w.Helper()
	if found := plan.Lint(w.snap(), p); len(found) > 0 {
		w.Fatalf("the plan breaks rules: %q\n%s", found, tell(p))
	}
	for _, claim := range p.Claims {
		if claim.Short != "" {
			w.overfull[claim.VM.Cluster+"/"+claim.Host] = true
		}
	}
	w.fold(accepted(p))
	return p.Run
}

func accepted(p *scheduler.Plan) journal.Record {
	return journal.Record{RunAccepted: &journal.RunAccepted{Plan: p}}
}

// run accepts the plan and lets all runs end, in the order of their steps.
func (w *world) run(p *scheduler.Plan) {
	w.Helper()
	run := w.accept(p)
	w.drain(func(n int) int { return 0 })
	if state := w.state.Runs[run].State; state != scheduler.RunDone {
		w.Fatalf("run %s is %s\n%s", run, state, tell(p))
	}
}

// drain goes on until nothing more happens; pick says which of n possible events is next.
func (w *world) drain(pick func(n int) int) {
	w.Helper()
	for w.event(pick) {
	}
}

// event lets one thing happen: a step begins, or one in flight ends.
func (w *world) event(pick func(n int) int) bool {
	w.Helper()
	var events []func()
	for _, f := range slices.SortedFunc(maps.Keys(w.flying), byFlight) {
		events = append(events, func() { w.end(f) })
	}
	for _, run := range w.state.RunningRuns() {
		if run.Finished() {
			events = append(events, func() { w.fold(journal.Record{RunEnded: &journal.RunEnded{Run: run.ID}}) })
		}
		for i := range run.Plan.Steps {
			step := &run.Plan.Steps[i]
			if run.Steps[i].State == scheduler.Pending && run.Ready(step) && !w.locked(step) {
				events = append(events, func() { w.begin(run, step) })
			}
		}
	}
	if len(events) == 0 {
		return false
	}
	events[pick(len(events))]()
	w.holds()
	return true
}

func byFlight(a, b flight) int {
	return cmp.Or(cmp.Compare(len(a.run), len(b.run)), cmp.Compare(a.run, b.run), cmp.Compare(a.step, b.step))
}

// locked: one call at a time works on a target, whichever run it belongs to.
func (w *world) locked(step *scheduler.Step) bool {
	for f := range w.flying {
		other := &w.state.Runs[f.run].Plan.Steps[f.step-1]
		if step.IsChange() && other.Property.On("", "") == step.Property.On("", "") {
			return true
		}
	}
	return false
}

func (w *world) begin(run *scheduler.Run, step *scheduler.Step) {
	w.Helper()
	if !step.IsChange() {
		w.check(run, step)
		return
	}
	p, stack := step.Property, w.state.Stacks[step.Property]
	var found *drivers.Value
	goal, known := w.state.Stacks.Resolve(p, step.Goal)
	now, there := w.observe(p)
	if w.state.Superseded(run, step) != "" {
		w.fold(journal.Record{StepBegun: &journal.StepBegun{Run: run.ID, Step: step.ID, Found: &now, Goal: &now}})
		w.fold(journal.Record{StepEnded: &journal.StepEnded{Run: run.ID, Step: step.ID, State: scheduler.StepDone, Stands: &now}})
		return
	}
	var expected []drivers.Value
	if stack != nil {
		expected = stack.Expected()
	}
	if stack == nil || stack.Stands == nil {
		if !there && !step.TurnsOff() {
			w.Fatalf("%s step %d: %s is not there", run.ID, step.ID, p)
		}
		found = &now
		expected = append(expected, now)
		if !known && step.Goal.Found {
			goal, known = now, true
		}
	}
	if !known {
		w.Fatalf("%s step %d: the goal %s of %s is not known\n%s", run.ID, step.ID, step.Goal.Text(), p, tell(run.Plan))
	}
	if now.Text != goal.Text && !slices.ContainsFunc(expected, func(v drivers.Value) bool { return v.Text == now.Text }) {
		w.Fatalf("%s step %d: drift on %s: %q stands, expected %v", run.ID, step.ID, p, now.Text, expected)
	}
	w.fold(journal.Record{StepBegun: &journal.StepBegun{Run: run.ID, Step: step.ID, Found: found, Expected: expected, Goal: &goal}})
	if !there { // it was never made
		w.fold(journal.Record{StepEnded: &journal.StepEnded{Run: run.ID, Step: step.ID, State: scheduler.StepDone, Stands: &now}})
		return
	}
	w.flying[flight{run.ID, step.ID}] = goal
	w.guests(run, step, goal)
}

// guests: a VM counts from the start of its on, and only a workspace's guest is ever cut
// off; it never holds a run up.
func (w *world) guests(run *scheduler.Run, step *scheduler.Step, goal drivers.Value) {
	if step.Property.Name != drivers.Power {
		return
	}
	vm := w.vms[step.Property]
	if on := w.at[step.Property].Text == drivers.On; goal.Text == drivers.Off && on && vm.guest != "" {
		if isProduction := vm.guest == "production"; step.MayForce == isProduction {
			w.Fatalf("%s step %d turns %s off: force %v, and in it runs %s\n%s", run.ID, step.ID, vm.name, step.MayForce, vm.guest, tell(run.Plan))
		}
	}
	if goal.Text == drivers.On {
		w.at[step.Property] = goal
		vm.guest = "workspace"
		if step.Production {
			vm.guest = "production"
		}
	}
}

func (w *world) check(run *scheduler.Run, step *scheduler.Step) {
	w.fold(journal.Record{StepBegun: &journal.StepBegun{Run: run.ID, Step: step.ID}})
	if c := step.Check; c.Kind == scheduler.CheckReady && w.at[step.Property].Text != drivers.On || c.Kind != scheduler.CheckReady && c.Word == "" {
		w.Fatalf("%s step %d: %s %s is held\n%s", run.ID, step.ID, step.Target, step.Change, tell(run.Plan))
	}
	w.fold(journal.Record{StepEnded: &journal.StepEnded{Run: run.ID, Step: step.ID, State: scheduler.StepDone}})
}

func (w *world) end(f flight) {
	w.Helper()
	goal := w.flying[f]
	delete(w.flying, f)
	step := &w.state.Runs[f.run].Plan.Steps[f.step-1]
	if err := w.apply(step.Property, goal); err != nil {
		w.Fatalf("%s step %d: %v\n%s", f.run, f.step, err, tell(w.state.Runs[f.run].Plan))
	}
	stands, _ := w.observe(step.Property)
	w.fold(journal.Record{StepEnded: &journal.StepEnded{Run: f.run, Step: f.step, State: scheduler.StepDone, Stands: &stands}})
}

func (w *world) observe(p drivers.Property) (value drivers.Value, there bool) {
	value, there = w.at[p]
	switch {
	case there:
	case p.Name == drivers.Presence:
		return drivers.Value{Text: drivers.Absent}, true
	case p.Name == drivers.Power:
		return drivers.Value{Text: drivers.Off}, false
	}
	return value, there
}

// apply is a driver that refuses what a hypervisor refuses.
func (w *world) apply(p drivers.Property, goal drivers.Value) error {
	power := p.On(drivers.Power, "")
	now, _ := w.observe(p)
	switch p.Name {
	case drivers.Disk, drivers.NIC:
		if w.at[power].Text != drivers.Off && now.Text != goal.Text {
			return fmt.Errorf("%s is changed while the VM is on", p)
		}
		w.at[p] = goal
	case drivers.Role:
		return w.applyRole(p, goal)
	case drivers.Presence:
		if p.Kind == drivers.VM {
			return w.applyVM(p, goal)
		}
		if goal.Text == drivers.Absent {
			delete(w.at, p)
			return w.shown("clone:" + p.Target)
		}
		w.at[p] = drivers.Value{Text: drivers.Present, Made: map[string]string{drivers.MadeEndpoint: "clone:" + p.Target}}
	default:
		w.at[p] = goal
	}
	return nil
}

func (w *world) applyRole(p drivers.Property, goal drivers.Value) error {
	made := map[string]string{}
	if goal.Text == drivers.Primary {
		for _, volume := range goal.Spec.Replica.Volumes {
			made[volume] = fmt.Sprintf("promoted:%s/%s", goal.Spec.Replica.As, volume)
		}
		w.at[p] = drivers.Value{Text: drivers.Primary, Made: made}
		return nil
	}
	for volume, endpoint := range w.at[p].Made {
		if err := w.shown(endpoint); err != nil {
			return err
		}
		made[volume] = "kept:" + endpoint
	}
	w.at[p] = drivers.Value{Text: drivers.Secondary, Made: made}
	return nil
}

func (w *world) applyVM(p drivers.Property, goal drivers.Value) error {
	power := p.On(drivers.Power, "")
	if goal.Text == drivers.Absent {
		if w.at[power].Text == drivers.On {
			return errors.New("a VM that is on is deleted")
		}
		delete(w.vms, power)
		maps.DeleteFunc(w.at, func(other drivers.Property, _ drivers.Value) bool { return other.On(drivers.Power, "") == power })
		return nil
	}
	spec := goal.Spec.VM
	w.vms[power] = &machine{name: spec.Name, host: spec.Host, size: scheduler.Size{CPUs: float64(spec.CPUs), MemoryMiB: spec.MemoryMiB}}
	w.at[p] = drivers.Value{Text: drivers.Present}
	w.at[power] = drivers.Value{Text: drivers.Off}
	for slot, network := range spec.Networks {
		w.at[power.On(drivers.NIC, slot)] = drivers.Value{Text: network}
	}
	return nil
}

func (w *world) shown(endpoint string) error {
	for p, value := range w.at {
		if p.Name == drivers.Disk && value.Text == endpoint {
			return fmt.Errorf("%s goes while %s shows it", endpoint, p)
		}
	}
	return nil
}

// holds checks what must be true at every moment.
func (w *world) holds() {
	w.Helper()
	used, shows, networks := map[string]scheduler.Size{}, map[string]string{}, map[string]string{}
	for power, vm := range w.vms {
		if w.at[power].Text != drivers.On {
			continue
		}
		key := power.Cluster + "/" + vm.host
		used[key] = used[key].Plus(vm.size)
		isCopy := ""
		for p, value := range w.at {
			if p.On(drivers.Power, "") != power || p.Name != drivers.Disk {
				continue
			}
			if other := shows[power.Cluster+value.Text]; other != "" {
				w.Fatalf("%s and %s are on and both show %s", other, vm.name, value.Text)
			}
			shows[power.Cluster+value.Text] = vm.name
			fmt.Sscanf(value.Text, "clone:%s", &isCopy)
		}
		w.isolated(power, vm, isCopy, networks)
	}
	for key, size := range used {
		cluster, host := key[:2], key[3:]
		capacity := scheduler.Size{CPUs: 64 * 4, MemoryMiB: w.hosts[cluster][host].MemoryMiB}
		if !size.Fits(capacity) && !w.overfull[key] {
			w.Fatalf("host %s has %v and holds %v", key, capacity, size)
		}
	}
}

// isolated: a copy is on an isolated network with every NIC, and shares it with no other.
func (w *world) isolated(power drivers.Property, vm *machine, isCopy string, networks map[string]string) {
	w.Helper()
	for p, value := range w.at {
		if p.On(drivers.Power, "") != power || p.Name != drivers.NIC {
			continue
		}
		pool := slices.Contains(w.site.IsolatedAt(power.Cluster), value.Text)
		if isCopy != "" && !pool {
			w.Fatalf("%s is a copy, and on network %s", vm.name, value.Text)
		}
		if !pool {
			continue
		}
		owner := workspaceOf(vm.name)
		if isCopy != "" {
			owner = workspaceOf(isCopy)
		}
		key := power.Cluster + value.Text
		if other := networks[key]; other != "" && other != owner {
			w.Fatalf("%s and %s share network %s", other, owner, value.Text)
		}
		networks[key] = owner
	}
}

// workspaceOf reads "ws-7" from "ws-7/volume" and "ws-7-template-1".
func workspaceOf(name string) string {
	var n int
	fmt.Sscanf(name, "ws-%d", &n)
	return fmt.Sprint("ws-", n)
}
