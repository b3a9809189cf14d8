package scheduler_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// The law: when a holder has come and gone, in any order with others, observing the site
// gives what it gave without it. Histories are random and legal: workspaces come and go,
// groups that share victims are reclaimed, failed over and reverted in any order, and any
// of it is cut off in the middle of a change and planned anew.

const histories = 20_000

func TestLaw(t *testing.T) {
	checks := histories
	if testing.Short() {
		checks = 1_000
	}
	restore := flag.Lookup("rapid.checks").Value.String()
	flag.Set("rapid.checks", fmt.Sprint(checks))
	defer flag.Set("rapid.checks", restore)
	rapid.Check(t, func(t *rapid.T) { newWorld(t).history() })
}

const (
	groups  = 3 // group g owns VMs 2g and 2g+1
	vmCount = 2 * groups
)

// world is a site, its stacks, and an oracle that knows nothing of stacks: for every
// holder that lives, in the order in which it came, what it wants.
type world struct {
	*rapid.T
	stacks  scheduler.Stacks
	site    map[drivers.Property]string
	initial map[drivers.Property]string
	live    []*holder
	serial  int
}

type holder struct {
	id    scheduler.Holder
	group int // the group that a run is for, or that a workspace copies; -1: new VMs
	run   bool
	wants map[drivers.Property]scheduler.Goal
}

func vm(i int, name drivers.Name, slot string) drivers.Property {
	return drivers.Property{Cluster: "c", Kind: drivers.VM, Target: fmt.Sprintf("vm%d", i), Name: name, Slot: slot}
}

func role(g int) drivers.Property {
	return drivers.Property{Cluster: "c", Kind: drivers.Replica, Target: fmt.Sprintf("replica%d", g), Name: drivers.Role}
}

func volumeOf(w scheduler.Holder, i int) drivers.Property {
	return drivers.Property{Cluster: "c", Kind: drivers.Volume, Target: fmt.Sprintf("%s/v%d", w, i), Name: drivers.Presence}
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, stacks: scheduler.Stacks{}, site: map[drivers.Property]string{}}
	for i := range vmCount {
		w.site[vm(i, drivers.Power, "")] = drivers.Off
		w.site[vm(i, drivers.Disk, "d")] = fmt.Sprintf("replica-disk%d", i)
		w.site[vm(i, drivers.NIC, "n")] = "standby"
	}
	for g := range groups {
		w.site[role(g)] = drivers.Secondary
	}
	w.initial = maps.Clone(w.site)
	return w
}

func (w *world) history() {
	for range rapid.IntRange(1, 14).Draw(w.T, "operations") {
		w.operation()
		if rapid.Bool().Draw(w.T, "whole") {
			w.close(-1)
			w.agrees()
		} else {
			w.close(rapid.IntRange(0, 6).Draw(w.T, "steps before the cut"))
		}
	}
	for len(w.live) > 0 {
		w.end(w.live[rapid.IntRange(0, len(w.live)-1).Draw(w.T, "who ends")])
		w.close(rapid.IntRange(0, 4).Draw(w.T, "steps before the cut"))
	}
	w.close(-1)
	w.agrees()
	if !maps.Equal(w.site, w.initial) {
		w.Fatalf("everyone is gone, and the site is not as it was:\n%v\n%v", w.site, w.initial)
	}
	if len(w.stacks) != 0 {
		w.Fatalf("everyone is gone, and stacks are left: %v", w.stacks)
	}
}

func (w *world) operation() {
	g := rapid.IntRange(0, groups-1).Draw(w.T, "group")
	switch rapid.SampledFrom([]string{"copy", "new", "return", "reclaim", "failover", "revert", "park", "resume"}).Draw(w.T, "operation") {
	case "copy":
		if !slices.ContainsFunc(w.live, func(h *holder) bool { return h.group == g }) {
			w.copyOf(g)
		}
	case "new":
		w.newVM()
	case "return":
		if ws := w.any(func(h *holder) bool { return !h.run }); ws != nil {
			w.end(ws)
		}
	case "reclaim":
		if w.any(func(h *holder) bool { return h.run && h.group == g }) == nil {
			w.reclaim(g, false)
		}
	case "failover":
		if w.any(func(h *holder) bool { return h.run && h.group == g && h.wants[role(g)].Value != nil }) == nil {
			w.reclaim(g, true)
		}
	case "revert":
		for _, h := range slices.Clone(w.live) {
			if h.run && h.group == g {
				w.end(h)
			}
		}
	case "park", "resume": // a holder replaces its own layer's value, never another's
		if ws := w.any(func(h *holder) bool { return !h.run }); ws != nil {
			text := rapid.SampledFrom([]string{drivers.On, drivers.Off}).Draw(w.T, "own power")
			for p := range ws.wants {
				if p.Name == drivers.Power {
					w.put(ws, p, scheduler.Literal(text))
				}
			}
		}
	}
}

func (w *world) any(fits func(*holder) bool) *holder {
	var all []*holder
	for _, h := range w.live {
		if fits(h) {
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(w.T, "holder")
}

func (w *world) come(prefix string, group int, run bool) *holder {
	w.serial++
	h := &holder{id: scheduler.Holder(fmt.Sprintf("%s%d", prefix, w.serial)), group: group, run: run, wants: map[drivers.Property]scheduler.Goal{}}
	w.live = append(w.live, h)
	return h
}

func (w *world) put(h *holder, p drivers.Property, goal scheduler.Goal) {
	h.wants[p] = goal
	w.stacks.Put(p, scheduler.Layer{Holder: h.id, Goal: goal})
}

func (w *world) copyOf(g int) {
	ws := w.come("ws", g, false)
	for _, i := range []int{2 * g, 2*g + 1} {
		w.put(ws, volumeOf(ws.id, i), scheduler.Literal(drivers.Present))
		w.put(ws, vm(i, drivers.Disk, "d"), scheduler.MadeBy(volumeOf(ws.id, i), drivers.MadeEndpoint))
		w.put(ws, vm(i, drivers.NIC, "n"), scheduler.Literal("isolated-"+string(ws.id)))
		w.put(ws, vm(i, drivers.Power, ""), scheduler.Literal(drivers.On))
	}
}

func (w *world) newVM() {
	ws := w.come("ws", -1, false)
	presence := drivers.Property{Cluster: "c", Kind: drivers.VM, Target: "made-" + string(ws.id), Name: drivers.Presence}
	w.put(ws, presence, scheduler.Literal(drivers.Present))
	w.put(ws, presence.On(drivers.Power, ""), scheduler.Literal(drivers.On))
}

// reclaim takes the group's own VMs and, as overlapping victims, any new VMs.
func (w *world) reclaim(g int, failover bool) {
	r := w.come("r", g, true)
	for _, h := range slices.Clone(w.live) {
		if h.run || h.group >= 0 && h.group != g || h.group < 0 && rapid.Bool().Draw(w.T, "spared") {
			continue
		}
		for p := range h.wants {
			if p.Kind == drivers.VM {
				w.put(r, p.On(drivers.Power, ""), scheduler.Literal(drivers.Off))
			}
		}
	}
	for _, i := range []int{2 * g, 2*g + 1} {
		disk, nic := vm(i, drivers.Disk, "d"), vm(i, drivers.NIC, "n")
		if failover {
			w.put(r, disk, scheduler.MadeBy(role(g), fmt.Sprint("v", i)))
			w.put(r, nic, scheduler.Literal("production"))
			w.put(r, vm(i, drivers.Power, ""), scheduler.Literal(drivers.On))
			continue
		}
		w.put(r, vm(i, drivers.Power, ""), scheduler.Literal(drivers.Off))
		for _, p := range []drivers.Property{disk, nic} {
			if w.stacks[p] != nil {
				w.put(r, p, scheduler.FoundGoal)
			}
		}
	}
	if failover {
		w.put(r, role(g), scheduler.Goal{Value: &drivers.Value{Text: drivers.Primary,
			Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{As: string(r.id)}}}})
	}
}

// end takes all layers of a holder out; what it made ends with it, whoever has layers there.
func (w *world) end(h *holder) {
	w.live = slices.DeleteFunc(w.live, func(o *holder) bool { return o == h })
	for p, goal := range h.wants {
		if p.Name == drivers.Presence && p.Kind == drivers.VM && goal.Value != nil {
			for _, o := range w.live {
				delete(o.wants, p.On(drivers.Power, ""))
			}
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(h.wants), scheduler.CompareProperties) {
		w.stacks.Drop(p, h.id)
	}
}

// close makes changes in a random legal order until no gap is left, or until the cut: then
// the last change may or may not have happened at the site, and nobody saw.
func (w *world) close(limit int) {
	for step := 0; ; step++ {
		open := w.closable()
		if len(open) == 0 {
			if limit < 0 {
				for p := range w.stacks {
					if w.stacks.Gap(p) {
						w.Fatalf("the gap of %s cannot be closed: %+v", p, w.stacks[p])
					}
				}
			}
			return
		}
		p := rapid.SampledFrom(open).Draw(w.T, "change")
		w.change(p, step == limit)
		if step == limit {
			return
		}
	}
}

func (w *world) closable() []drivers.Property {
	var open []drivers.Property
	for p, stack := range w.stacks {
		if !w.stacks.Gap(p) || p.Name != drivers.Presence && !w.stacks.Exists(p) {
			continue
		}
		if _, known := w.stacks.Resolve(p, stack.Top()); !known {
			continue
		}
		if _, there := w.site[p]; !there && p.Name != drivers.Presence {
			continue // nothing to observe: its making comes first
		}
		if w.stillShown(p) {
			continue
		}
		open = append(open, p)
	}
	slices.SortFunc(open, scheduler.CompareProperties)
	return open
}

// stillShown: a clone goes, and a replica is demoted, when no disk shows it any more.
func (w *world) stillShown(p drivers.Property) bool {
	wanted, _ := w.stacks.Wanted(p)
	if p.Kind == drivers.VM || wanted.Text == drivers.Present || wanted.Text == drivers.Primary {
		return false
	}
	for disk, text := range w.site {
		if disk.Name == drivers.Disk && slices.Contains(slices.Collect(maps.Values(made(p, w.site[p]))), text) {
			return true
		}
	}
	return false
}

// made is what a hypervisor would answer: endpoints that follow from the value.
func made(p drivers.Property, site string) map[string]string {
	switch {
	case p.Kind == drivers.Volume:
		return map[string]string{drivers.MadeEndpoint: "clone:" + p.Target}
	case p.Kind == drivers.Replica && site != drivers.Secondary:
		all := map[string]string{}
		for i := range vmCount {
			all[fmt.Sprint("v", i)] = fmt.Sprintf("%s:v%d", site, i)
		}
		return all
	}
	return nil
}

func (w *world) observe(p drivers.Property) drivers.Value {
	text, there := w.site[p]
	switch {
	case p.Name == drivers.Presence && !there:
		return drivers.Value{Text: drivers.Absent}
	case p.Name == drivers.Presence:
		return drivers.Value{Text: drivers.Present, Made: made(p, text)}
	case p.Kind == drivers.Replica && text != drivers.Secondary:
		return drivers.Value{Text: drivers.Primary, Made: made(p, text)}
	}
	return drivers.Value{Text: text}
}

func (w *world) change(p drivers.Property, cut bool) {
	stack := w.stacks[p]
	goal, _ := w.stacks.Resolve(p, stack.Top())
	var found *drivers.Value
	expected := stack.Expected()
	if stack.Stands == nil {
		now := w.observe(p)
		found, expected = &now, append(expected, now)
	}
	w.stacks.Begin(p, found, goal)
	if cut && rapid.Bool().Draw(w.T, "lost before it happened") {
		return
	}
	w.apply(p, goal, expected)
	if !cut {
		w.stacks.Finish(p, w.observe(p))
	}
}

// apply is the driver: it refuses to overwrite what it was not told to expect.
func (w *world) apply(p drivers.Property, goal drivers.Value, expected []drivers.Value) {
	now := w.observe(p).Text
	if now != goal.Text && !slices.ContainsFunc(expected, func(v drivers.Value) bool { return v.Text == now }) {
		w.Fatalf("drift on %s: %q stands, expected %v or %v", p, now, expected, goal)
	}
	switch {
	case p.Name == drivers.Presence && goal.Text == drivers.Absent:
		delete(w.site, p)
		delete(w.site, p.On(drivers.Power, ""))
	case p.Name == drivers.Presence:
		w.site[p] = drivers.Present
		if p.Kind == drivers.VM && w.site[p.On(drivers.Power, "")] == "" {
			w.site[p.On(drivers.Power, "")] = drivers.Off
		}
	case goal.Text == drivers.Primary:
		w.site[p] = "promoted-" + goal.Spec.Replica.As
	default:
		w.site[p] = goal.Text
	}
}

// agrees: the site shows, of every property, what the newest of those who live wants, and
// what was there before anyone came where nobody wants anything.
func (w *world) agrees() {
	want := maps.Clone(w.initial)
	for _, h := range w.live {
		for p, goal := range h.wants {
			if text, there := w.oracle(p, goal); there {
				want[p] = text
			} else {
				delete(want, p)
			}
		}
	}
	if !maps.Equal(want, w.site) {
		for p := range want {
			if want[p] != w.site[p] {
				w.Errorf("%s: the oracle wants %q, the site has %q (%+v)", p, want[p], w.site[p], w.stacks[p])
			}
		}
		for p := range w.site {
			if _, ok := want[p]; !ok {
				w.Errorf("%s: nobody wants it, the site has %q", p, w.site[p])
			}
		}
		w.FailNow()
	}
}

func (w *world) oracle(p drivers.Property, goal scheduler.Goal) (string, bool) {
	switch {
	case goal.Made != nil && goal.Made.By.Kind == drivers.Volume:
		return "clone:" + goal.Made.By.Target, true
	case goal.Made != nil:
		for _, h := range w.live {
			if h.run && h.wants[goal.Made.By].Value != nil {
				return fmt.Sprintf("promoted-%s:%s", h.id, goal.Made.Key), true
			}
		}
		return "", false
	case goal.Found:
		return w.initial[p], true
	case goal.Value.Text == drivers.Primary:
		return "promoted-" + goal.Value.Spec.Replica.As, true
	default:
		return goal.Value.Text, true
	}
}
