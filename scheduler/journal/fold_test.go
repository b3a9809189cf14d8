package journal_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// Random records, most of them legal and many not, meet the states that the legal ones
// lead to.

// maker draws records that have something to do with a state.
type maker struct {
	*rapid.T
	state *scheduler.State
}

func (m *maker) record() journal.Record {
	kinds := []func() journal.Record{m.requested, m.noted, m.accepted, m.accepted, m.accepted, m.begun, m.begun, m.begun, m.begun,
		m.ended, m.ended, m.ended, m.ended, m.retried, m.retried, m.extended, m.host, m.runEnded, m.alert, m.nonsense}
	return kinds[m.n("kind", len(kinds))]()
}

func (m *maker) n(what string, below int) int { return rapid.IntRange(0, below-1).Draw(m.T, what) }

// mostly is true 23 times out of 24.
func (m *maker) mostly(what string) bool { return m.n(what, 24) > 0 }

func (m *maker) run() string {
	if m.mostly("a run that is there") && m.state.LastRun > 0 {
		return fmt.Sprint("r-", 1+m.n("run", m.state.LastRun))
	}
	return []string{"", "r-0", "r-99", "ws-1"}[m.n("no run", 4)]
}

func (m *maker) workspace() string {
	if m.mostly("a workspace that is there") && m.state.LastWorkspace > 0 {
		return fmt.Sprint("ws-", 1+m.n("workspace", m.state.LastWorkspace))
	}
	return []string{"", "ws-0", "ws-99", "r-1"}[m.n("no workspace", 4)]
}

func (m *maker) value() *drivers.Value {
	if !m.mostly("a value") {
		return nil
	}
	v := drivers.Value{Text: []string{drivers.Off, drivers.On, drivers.Absent, drivers.Present, drivers.Secondary}[m.n("text", 5)]}
	if m.n("rest", 3) == 0 {
		v.Rest = json.RawMessage(`{"format":"raw"}`)
	}
	if m.n("made", 4) == 0 {
		v.Made = map[string]string{"db": "[ds1] db"}
	}
	return &v
}

func (m *maker) property() drivers.Property {
	all := []drivers.Property{
		vm("vm-1", drivers.Power, ""), vm("vm-1", drivers.Disk, "disk0"), vm("vm-2", drivers.Power, ""), vm("vm-2", drivers.Presence, ""),
		{Cluster: "c1", Kind: drivers.Volume, Target: "ws-1/db", Name: drivers.Presence},
		{Cluster: "c1", Kind: drivers.Replica, Target: "/r/1", Name: drivers.Role},
		{Cluster: "c1", Kind: drivers.Replica, Target: "/r/1", Name: drivers.Power}, {},
	}
	if m.mostly("a property that can be") {
		return all[m.n("property", 6)]
	}
	return all[m.n("any property", 8)]
}

func vm(id string, name drivers.Name, slot string) drivers.Property {
	return drivers.Property{Cluster: "c1", Kind: drivers.VM, Target: id, Name: name, Slot: slot}
}

func (m *maker) goal() scheduler.Goal {
	switch m.n("goal", 5) {
	case 0:
		return scheduler.FoundGoal
	case 1:
		return scheduler.MadeBy(m.property(), "db")
	}
	return scheduler.Goal{Value: m.value()}
}

func (m *maker) plan() *scheduler.Plan {
	p := &scheduler.Plan{Run: m.state.NextRun(), Verb: []scheduler.Verb{scheduler.Reclaim, scheduler.Failover, scheduler.Revert, scheduler.Lend, scheduler.Return, "dance"}[m.n("verb", 6)]}
	if !m.mostly("the next run") {
		p.Run = m.run()
	}
	if p.Verb == scheduler.Lend || p.Verb == scheduler.Return {
		p.Workspace = m.workspace()
	} else if m.mostly("a group") {
		p.Group = "payments"
	}
	for range m.n("puts", 3) {
		h := scheduler.RunHolder(p.Run, p.Group)
		if p.Workspace != "" || !m.mostly("its own layer") {
			h = scheduler.Holder(m.workspace())
		}
		p.Puts = append(p.Puts, scheduler.Put{Property: m.property(), Layer: scheduler.Layer{Holder: h, Goal: m.goal()}})
	}
	for range m.n("drops", 3) {
		p.Drops = append(p.Drops, scheduler.Drop{Property: m.property(), Holder: scheduler.Holder(m.workspace())})
	}
	if m.n("takes over", 4) == 0 {
		p.TakesOver = []string{m.run()}
	}
	for i := range m.n("steps", 4) {
		p.Steps = append(p.Steps, m.step(i))
	}
	if m.n("victim", 3) == 0 {
		p.Victims = []scheduler.Victim{{Workspace: m.workspace(), Why: "its room is needed"}}
	}
	if m.n("comes back", 3) == 0 {
		p.Returning = []scheduler.Victim{{Workspace: m.workspace(), Stays: m.n("stays", 2) == 0}}
	}
	if m.n("kept", 2) == 0 {
		p.Keep = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return p
}

func (m *maker) step(i int) scheduler.Step {
	s := scheduler.Step{ID: i + 1}
	if i > 0 && m.n("waits", 2) == 0 {
		s.After = []int{1 + m.n("for", i)}
	}
	if !m.mostly("a sound step") {
		s.After = append(s.After, m.n("for any", 5))
		s.ID = m.n("numbered", 5)
	}
	if m.n("a check", 4) == 0 {
		s.Check = &scheduler.Check{Kind: scheduler.CheckHome}
		return s
	}
	s.Property, s.Goal = m.property(), m.goal()
	return s
}

func (m *maker) requested() journal.Record {
	w := scheduler.Workspace{ID: m.state.NextWorkspace(), Owner: "anna", Lease: time.Hour}
	if !m.mostly("the next workspace") {
		w.ID = m.workspace()
	}
	w.Gone = !m.mostly("new")
	return journal.Record{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: w}}
}

func (m *maker) noted() journal.Record {
	waits := "there is no room"
	return journal.Record{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: m.workspace(), Waits: &waits, Returning: m.n("returning", 2) == 0, Gone: m.n("gone", 3) == 0}}
}

func (m *maker) extended() journal.Record {
	return journal.Record{WorkspaceExtended: &journal.WorkspaceExtended{Workspace: m.workspace(), For: time.Duration(m.n("hours", 3)-1) * time.Hour}}
}

func (m *maker) host() journal.Record {
	cluster, host := []string{"c1", ""}[m.n("cluster", 2)], []string{"host-01", "host-02", ""}[m.n("host", 3)]
	if m.n("resumed", 2) == 0 {
		return journal.Record{HostResumed: &journal.HostResumed{Cluster: cluster, Host: host}}
	}
	return journal.Record{HostDrained: &journal.HostDrained{Cluster: cluster, Host: host, Reason: "a fan"}}
}

func (m *maker) accepted() journal.Record {
	if m.n("no plan", 20) == 0 {
		return journal.Record{RunAccepted: &journal.RunAccepted{}}
	}
	return journal.Record{RunAccepted: &journal.RunAccepted{Plan: m.plan()}}
}

// someStep draws a step of a run, mostly one in one of these states where there is one.
func (m *maker) someStep(in ...scheduler.StepState) (run string, step int, change bool) {
	type place struct {
		run  string
		step int
	}
	var fit []place
	for i := range m.state.LastRun {
		run := m.state.Runs[fmt.Sprint("r-", i+1)]
		for n, sr := range run.Steps {
			if slices.Contains(in, sr.State) && run.State == scheduler.Running {
				fit = append(fit, place{run.ID, n + 1})
			}
		}
	}
	if len(fit) == 0 || !m.mostly("a step that fits") {
		return m.run(), m.n("step", 5), m.n("change", 2) == 0
	}
	at := fit[m.n("fitting", len(fit))]
	what, _, _ := m.state.Runs[at.run].Step(at.step)
	return at.run, at.step, what.IsChange()
}

func (m *maker) begun() journal.Record {
	run, step, change := m.someStep(scheduler.Pending, scheduler.Intent)
	r := &journal.StepBegun{Run: run, Step: step, Force: m.n("force", 4) == 0}
	if change == m.mostly("a goal where one belongs") {
		r.Found, r.Goal = m.value(), m.value()
	}
	if v := m.value(); v != nil {
		r.Expected = []drivers.Value{*v}
	}
	return journal.Record{StepBegun: r}
}

func (m *maker) ended() journal.Record {
	as := []scheduler.StepState{scheduler.StepDone, scheduler.StepDone, scheduler.StepHeld, scheduler.StepSkipped, scheduler.Pending, ""}[m.n("end", 6)]
	from := scheduler.Intent
	if as == scheduler.StepSkipped {
		from = scheduler.StepHeld
	}
	run, step, change := m.someStep(from)
	r := &journal.StepEnded{Run: run, Step: step, State: as}
	if change && as != scheduler.StepHeld || !m.mostly("no word on what stands") {
		r.Stands = m.value()
	}
	return journal.Record{StepEnded: r}
}

func (m *maker) retried() journal.Record {
	run, step, _ := m.someStep(scheduler.StepHeld)
	return journal.Record{StepRetried: &journal.StepRetried{Run: run, Step: step}}
}

func (m *maker) runEnded() journal.Record {
	return journal.Record{RunEnded: &journal.RunEnded{Run: m.run()}}
}

func (m *maker) alert() journal.Record {
	return journal.Record{AlertSeen: &journal.AlertSeen{Key: fmt.Sprint("alert-", m.n("alert", 3))}}
}

func (m *maker) nonsense() journal.Record {
	both := m.alert()
	both.RunEnded = &journal.RunEnded{Run: m.run()}
	return []journal.Record{{}, both}[m.n("nonsense", 2)]
}

func text(t interface{ Fatal(...any) }, s *scheduler.State) string {
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// snapshotOf gives what a snapshot gives back of a state.
func snapshotOf(t *rapid.T, s *scheduler.State) *scheduler.State {
	back := scheduler.NewState()
	if err := json.Unmarshal([]byte(text(t, s)), back); err != nil {
		t.Fatal(err)
	}
	return back
}

// Every record is applied whole, or rejected and changes nothing; and a replay, from the
// first record or from any snapshot, gives the same state.
func TestAnyRecordIsLegalOrChangesNothing(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	flag.Set("rapid.checks", "600")
	defer flag.Set("rapid.checks", checks)
	legal, rejected := map[string]int{}, 0
	rapid.Check(t, func(t *rapid.T) {
		m := &maker{T: t, state: scheduler.NewState()}
		now := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
		var records []journal.Record
		var snapshot *scheduler.State
		after := 0
		for range rapid.IntRange(1, 120).Draw(t, "records") {
			now = now.Add(time.Minute)
			r := m.record()
			r.Seq, r.At = uint64(len(records)+1), now
			before := text(t, m.state)
			written, err := json.Marshal(&r)
			if err != nil {
				t.Fatal(err)
			}
			if err := journal.Fold(m.state, &r); err != nil {
				rejected++
				if !errors.Is(err, journal.ErrIllegal) {
					t.Fatalf("not told as illegal: %v", err)
				}
				if after := text(t, m.state); after != before {
					t.Fatalf("rejected (%v), and changed\n%s\nto\n%s", err, before, after)
				}
				continue
			}
			legal[what(&r)]++
			var read journal.Record
			if err := json.Unmarshal(written, &read); err != nil {
				t.Fatalf("a legal record cannot be read back: %v", err)
			}
			records = append(records, read)
			if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
				snapshot, after = snapshotOf(t, m.state), len(records)
			}
		}
		want := text(t, m.state)
		for from, state := range map[int]*scheduler.State{0: scheduler.NewState(), after: snapshot} {
			if state == nil {
				continue
			}
			for i := from; i < len(records); i++ {
				if err := journal.Fold(state, &records[i]); err != nil {
					t.Fatalf("replay of record %d: %v", i+1, err)
				}
			}
			if got := text(t, state); got != want {
				t.Fatalf("replay from record %d gives\n%s\nnot\n%s", from, got, want)
			}
		}
	})
	t.Logf("legal: %v, rejected: %d", legal, rejected)
	for _, kind := range []string{"requested", "noted", "accepted", "begun", "done", "held", "skipped", "retried", "ended", "alert", "drained", "resumed"} {
		if legal[kind] == 0 {
			t.Errorf("no legal record was of the kind %q: this test says little", kind)
		}
	}
}

func what(r *journal.Record) string {
	switch {
	case r.WorkspaceRequested != nil:
		return "requested"
	case r.WorkspaceNoted != nil:
		return "noted"
	case r.RunAccepted != nil:
		return "accepted"
	case r.StepBegun != nil:
		return "begun"
	case r.StepEnded != nil:
		return string(r.StepEnded.State)
	case r.StepRetried != nil:
		return "retried"
	case r.RunEnded != nil:
		return "ended"
	case r.WorkspaceExtended != nil:
		return "extended"
	case r.HostDrained != nil:
		return "drained"
	case r.HostResumed != nil:
		return "resumed"
	default:
		return "alert"
	}
}

// The state keeps the last runs and those that something still asks for; the file keeps
// all.
func TestOldRunsAreForgotten(t *testing.T) {
	state := scheduler.NewState()
	fold := func(r journal.Record) {
		t.Helper()
		if err := journal.Fold(state, &r); err != nil {
			t.Fatal(err)
		}
	}
	power := vm("vm-1", drivers.Power, "")
	accept := func(p scheduler.Plan) string {
		p.Run, p.Group = state.NextRun(), "payments"
		if p.Verb == scheduler.Reclaim {
			p.Puts = []scheduler.Put{{Property: power, Layer: scheduler.Layer{Holder: scheduler.RunHolder(p.Run, p.Group), Goal: scheduler.Literal(drivers.Off)}}}
		}
		fold(journal.Record{RunAccepted: &journal.RunAccepted{Plan: &p}})
		return p.Run
	}
	end := func(run string) { fold(journal.Record{RunEnded: &journal.RunEnded{Run: run}}) }
	holds := accept(scheduler.Plan{Verb: scheduler.Reclaim})
	end(holds)
	gone := accept(scheduler.Plan{Verb: scheduler.Revert})
	end(gone)
	for range 300 {
		end(accept(scheduler.Plan{Verb: scheduler.Revert}))
	}
	if state.Runs[holds] == nil {
		t.Errorf("%s holds a layer, and is forgotten", holds)
	}
	if state.Runs[gone] != nil || len(state.Runs) != 201 {
		t.Errorf("%d runs are kept, %s among them: %v", len(state.Runs), gone, state.Runs[gone] != nil)
	}
	runs := accept(scheduler.Plan{Verb: scheduler.Revert, Steps: []scheduler.Step{{ID: 1, Check: &scheduler.Check{Kind: scheduler.CheckHome}}}})
	for range 300 {
		end(accept(scheduler.Plan{Verb: scheduler.Revert}))
	}
	if state.Runs[runs] == nil || len(state.Runs) != 302 {
		t.Errorf("%d runs are kept, while %s is running", len(state.Runs), runs)
	}
}
