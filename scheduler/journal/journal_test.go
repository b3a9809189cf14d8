package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

func open(t testing.TB, path string, opts journal.Options) *journal.Journal {
	t.Helper()
	if opts.ReserveMiB == 0 {
		opts.ReserveMiB = -1
	}
	j, err := journal.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// request makes the records of one more workspace in the queue.
func request(s *scheduler.State) ([]journal.Record, error) {
	return []journal.Record{{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: scheduler.Workspace{ID: s.NextWorkspace(), Owner: "anna"}}}}, nil
}

func stateOf(t testing.TB, j *journal.Journal) string {
	t.Helper()
	var text string
	j.View(func(s *scheduler.State) {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	})
	return text
}

func TestASecondOpenSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	defer open(t, path, journal.Options{}).Close()
	_, err := journal.Open(path, journal.Options{ReserveMiB: -1})
	if err == nil || !strings.Contains(err.Error(), "another hotspare server has it open; stop that one") {
		t.Errorf("got %v", err)
	}
}

func TestReplayOfASnapshotAndItsTailIsReplayOfAll(t *testing.T) {
	dir := t.TempDir()
	var want string
	for name, every := range map[string]int{"every record": 1, "every seventh": 7, "never": 1 << 30} {
		path := filepath.Join(dir, name)
		now := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
		opts := journal.Options{SnapshotEvery: every, Now: func() time.Time { now = now.Add(time.Second); return now }}
		j := open(t, path, opts)
		for range 25 {
			if err := j.Update(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		before := stateOf(t, j)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, path, opts)
		if after := stateOf(t, j); after != before {
			t.Errorf("a snapshot %s: replay gives\n%s, not\n%s", name, after, before)
		}
		if want == "" {
			want = before
		} else if before != want {
			t.Errorf("snapshots change the state")
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsIllegalLeavesTheStateAsItWas(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	plan := &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: "g", Steps: []scheduler.Step{
		{ID: 1, Check: &scheduler.Check{Kind: scheduler.CheckFenced}}, {ID: 2, After: []int{1}, Check: &scheduler.Check{Kind: scheduler.CheckReady}}}}
	accept := journal.Record{RunAccepted: &journal.RunAccepted{Plan: plan}}
	if err := j.Update(t.Context(), func(*scheduler.State) ([]journal.Record, error) { return []journal.Record{accept}, nil }); err != nil {
		t.Fatal(err)
	}
	before, seq := stateOf(t, j), j.Seq()
	for what, r := range map[string]journal.Record{
		"nothing at all":               {},
		"a run accepted twice":         accept,
		"a workspace out of turn":      {WorkspaceRequested: &journal.WorkspaceRequested{Workspace: scheduler.Workspace{ID: "ws-7"}}},
		"a note on nobody":             {WorkspaceNoted: &journal.WorkspaceNoted{Workspace: "ws-1"}},
		"a step of no run":             {StepBegun: &journal.StepBegun{Run: "r-9", Step: 1}},
		"a step that is not there":     {StepBegun: &journal.StepBegun{Run: "r-1", Step: 3}},
		"step zero":                    {StepBegun: &journal.StepBegun{Run: "r-1"}},
		"a step before its time":       {StepBegun: &journal.StepBegun{Run: "r-1", Step: 2}},
		"a step done before its begin": {StepEnded: &journal.StepEnded{Run: "r-1", Step: 1, State: scheduler.StepDone}},
		"a skip of what is not held":   {StepEnded: &journal.StepEnded{Run: "r-1", Step: 1, State: scheduler.StepSkipped}},
		"an end that is none":          {StepEnded: &journal.StepEnded{Run: "r-1", Step: 1, State: "tired"}},
		"a retry of what is not held":  {StepRetried: &journal.StepRetried{Run: "r-1", Step: 1}},
		"an end with steps left":       {RunEnded: &journal.RunEnded{Run: "r-1"}},
		"two things at once":           {RunEnded: &journal.RunEnded{Run: "r-1"}, AlertSeen: &journal.AlertSeen{Key: "k"}},
		"a run without a plan":         {RunAccepted: &journal.RunAccepted{}},
		"the takeover of no run":       plan2(func(p *scheduler.Plan) { p.TakesOver = []string{"r-8"} }),
		"a lend to nobody":             plan2(func(p *scheduler.Plan) { p.Verb, p.Workspace = scheduler.Lend, "ws-3" }),
		"a verb of its own":            plan2(func(p *scheduler.Plan) { p.Verb = "dance" }),
		"a reclaim for no group":       plan2(func(p *scheduler.Plan) { p.Group = "" }),
		"steps in a circle":            plan2(func(p *scheduler.Plan) { p.Steps[0].After, p.Steps[1].After = []int{2}, []int{1} }),
		"a step that waits for itself": plan2(func(p *scheduler.Plan) { p.Steps[1].After = []int{2} }),
		"a wait for no step":           plan2(func(p *scheduler.Plan) { p.Steps[1].After = []int{3} }),
		"steps that are misnumbered":   plan2(func(p *scheduler.Plan) { p.Steps[1].ID = 3 }),
		"a step of no property":        plan2(func(p *scheduler.Plan) { p.Steps[0].Property = drivers.Property{} }),
		"a goal that is nothing":       plan2(func(p *scheduler.Plan) { p.Steps[0].Goal = scheduler.Goal{} }),
		"a goal that is two things":    plan2(func(p *scheduler.Plan) { p.Steps[0].Goal.Found = true }),
		"another run's layer":          plan2(func(p *scheduler.Plan) { p.Puts[0].Layer.Holder = "r-1.g" }),
		"a layer of no property":       plan2(func(p *scheduler.Plan) { p.Puts[0].Property.Slot = "disk0" }),
		"no layer, taken out":          plan2(func(p *scheduler.Plan) { p.Drops = []scheduler.Drop{{Holder: "r-1.g"}} }),
		"a claim for no VM":            plan2(func(p *scheduler.Plan) { p.Claims = []scheduler.Claim{{Group: "g"}} }),
	} {
		err := j.Update(t.Context(), func(*scheduler.State) ([]journal.Record, error) { return []journal.Record{r}, nil })
		if !errors.Is(err, journal.ErrIllegal) {
			t.Errorf("%s: got %v", what, err)
		}
		if stateOf(t, j) != before || j.Seq() != seq {
			t.Fatalf("%s changed the state", what)
		}
	}
	if err := j.Update(t.Context(), one(plan2(func(*scheduler.Plan) {}))); err != nil {
		t.Errorf("a sound plan: %v", err)
	}
}

// plan2 is the acceptance of a sound plan r-2, made unsound.
func plan2(spoil func(*scheduler.Plan)) journal.Record {
	power := vm("vm-1", drivers.Power, "")
	p := &scheduler.Plan{Run: "r-2", Verb: scheduler.Reclaim, Group: "g",
		Puts: []scheduler.Put{{Property: power, Layer: scheduler.Layer{Holder: "r-2.g", Goal: scheduler.Literal(drivers.Off)}}},
		Steps: []scheduler.Step{{ID: 1, Property: power, Goal: scheduler.Literal(drivers.Off)},
			{ID: 2, After: []int{1}, Check: &scheduler.Check{Kind: scheduler.CheckHome}}}}
	spoil(p)
	return journal.Record{RunAccepted: &journal.RunAccepted{Plan: p}}
}

func TestAnErrorOfTheDeciderWritesNothing(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	no := errors.New("no room")
	if err := j.Update(t.Context(), func(*scheduler.State) ([]journal.Record, error) { return nil, no }); !errors.Is(err, no) || j.Seq() != 0 {
		t.Errorf("got %v and %d records", err, j.Seq())
	}
}

func TestARecordOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{})
	if err := j.Update(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	j.Close()
	edit(t, path, "records", func(data []byte) []byte { data[0] = 99; return data })
	_, err := journal.Open(path, journal.Options{ReserveMiB: -1})
	if err == nil || !strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), "start the newer hotspare") {
		t.Errorf("got %v", err)
	}
}

func TestADamagedRecordIsFound(t *testing.T) {
	for what, damage := range map[string]func([]byte) []byte{
		"one letter of a name": func(data []byte) []byte { return bytes.Replace(data, []byte("anna"), []byte("hanna"), 1) },
		"one bit":              func(data []byte) []byte { data[len(data)-3] ^= 1; return data },
		"its end":              func(data []byte) []byte { return data[:len(data)-1] },
		"all":                  func([]byte) []byte { return nil },
		"zeros":                func(data []byte) []byte { return make([]byte, len(data)) },
	} {
		path := filepath.Join(t.TempDir(), "journal.db")
		j := open(t, path, journal.Options{})
		for range 2 {
			if err := j.Update(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		edit(t, path, "records", damage)
		if _, err := journal.Open(path, journal.Options{ReserveMiB: -1}); err == nil || !strings.Contains(err.Error(), "record 1: the file is damaged; restore it from a copy") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestAMissingRecordIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{})
	for range 3 {
		if err := j.Update(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	edit(t, path, "records", nil)
	if _, err := journal.Open(path, journal.Options{ReserveMiB: -1}); err == nil || !strings.Contains(err.Error(), "where record 1 should: the file is damaged") {
		t.Errorf("got %v", err)
	}
}

// All records are kept, so a damaged snapshot costs time and nothing else.
func TestADamagedSnapshotIsNotNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{SnapshotEvery: 2})
	for range 5 {
		if err := j.Update(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	want := stateOf(t, j)
	j.Close()
	edit(t, path, "snapshot", func(data []byte) []byte { return data[:len(data)/2] })
	j = open(t, path, journal.Options{})
	defer j.Close()
	if got := stateOf(t, j); got != want {
		t.Errorf("replay gives\n%s, not\n%s", got, want)
	}
}

// edit changes the first value of a bucket in the file; nil takes it away.
func edit(t *testing.T, path, bucket string, change func([]byte) []byte) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		k, data := b.Cursor().First()
		if change == nil {
			return b.Delete(k)
		}
		return b.Put(k, change(bytes.Clone(data)))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// childPath makes this test's binary the writer that is killed.
const childPath = "HOTSPARE_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes from many goroutines and tells each acknowledged workspace.
func writeUntilKilled(path string) {
	j, err := journal.Open(path, journal.Options{ReserveMiB: -1, SnapshotEvery: 50})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var out sync.Mutex
	for range 16 {
		go func() {
			for {
				var id string
				err := j.Update(context.Background(), func(s *scheduler.State) ([]journal.Record, error) {
					id = s.NextWorkspace()
					return request(s)
				})
				if err != nil {
					return
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		}()
	}
	select {}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := map[string]bool{}
	for round := range 4 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 300 + 111*round {
			if !lines.Scan() {
				t.Fatalf("the child ended by itself: %v", lines.Err())
			}
			acknowledged[lines.Text()] = true
		}
		if err := child.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ws-") {
				acknowledged[lines.Text()] = true
			}
		}
		_ = child.Wait()
		j := open(t, path, journal.Options{})
		j.View(func(s *scheduler.State) {
			for id := range acknowledged {
				if s.Workspaces[id] == nil {
					t.Errorf("round %d: %s was acknowledged, and is lost", round, id)
				}
			}
			if len(s.Workspaces) != s.LastWorkspace {
				t.Errorf("round %d: %d workspaces, and the last is ws-%d", round, len(s.Workspaces), s.LastWorkspace)
			}
		})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyWritersShareACommit(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 20 {
				if err := j.Update(context.Background(), request); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := j.Seq(); got != 64*20 {
		t.Errorf("%d records, not %d", got, 64*20)
	}
	if commits := j.Commits(); commits > 64*20/4 {
		t.Errorf("%d commits for %d updates: they do not share", commits, 64*20)
	}
}

func TestUpdatesAfterCloseFail(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Update(context.Background(), request); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkUpdate writes small records, beside bbolt's own Batch with the same data.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("journal/writers=%d", writers), func(b *testing.B) {
			j := open(b, filepath.Join(b.TempDir(), "journal.db"), journal.Options{})
			defer j.Close()
			parallel(b, writers, func(n int) error {
				return j.Update(context.Background(), func(*scheduler.State) ([]journal.Record, error) {
					return []journal.Record{{AlertSeen: &journal.AlertSeen{Key: strconv.Itoa(n)}}}, nil
				})
			})
		})
		b.Run(fmt.Sprintf("bbolt-batch/writers=%d", writers), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "plain.db"), 0o600, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			db.MaxBatchDelay = time.Millisecond
			parallel(b, writers, func(n int) error {
				return db.Batch(func(tx *bbolt.Tx) error {
					bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
					if err != nil {
						return err
					}
					return bucket.Put([]byte(strconv.Itoa(n)), make([]byte, 100))
				})
			})
		})
	}
}

// parallel does b.N things from this many goroutines.
func parallel(b *testing.B, writers int, do func(n int) error) {
	var all sync.WaitGroup
	next := make(chan int)
	for range writers {
		all.Go(func() {
			for n := range next {
				if err := do(n); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for n := range b.N {
		next <- n
	}
	close(next)
	all.Wait()
}

func TestTheJournalOfAnotherSiteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	for _, site := range []string{"", "brno", "brno"} { // one from before journals had a site
		open(t, path, journal.Options{ReserveMiB: -1, Site: site}).Close()
	}
	_, err := journal.Open(path, journal.Options{ReserveMiB: -1, Site: "ostrava"})
	if err == nil || !strings.Contains(err.Error(), `it is of site "brno"`) || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("the journal of another site: %v", err)
	}
}
