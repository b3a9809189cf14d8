package drivers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
)

// Names are people's: slashes, percent signs and emoji survive being keys of a journal.
func TestAPropertySurvivesAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, 40, 80)
		p := drivers.Property{Cluster: name.Draw(t, "cluster"), Kind: drivers.VM, Target: name.Draw(t, "target"), Name: drivers.Power}
		if rapid.Bool().Draw(t, "slotted") {
			p.Name, p.Slot = drivers.Disk, name.Draw(t, "slot")
		}
		data, err := json.Marshal(map[drivers.Property]int{p: 1})
		if err != nil {
			t.Fatal(err)
		}
		var back map[drivers.Property]int
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if back[p] != 1 {
			t.Fatalf("%#v came back as %v", p, back)
		}
	})
}

func TestWhatNoTargetHas(t *testing.T) {
	for what, p := range map[string]drivers.Property{
		"power of a volume":      {Cluster: "c", Kind: drivers.Volume, Target: "v", Name: drivers.Power},
		"a disk without a slot":  {Cluster: "c", Kind: drivers.VM, Target: "v", Name: drivers.Disk},
		"a power with a slot":    {Cluster: "c", Kind: drivers.VM, Target: "v", Name: drivers.Power, Slot: "x"},
		"a target without name":  {Cluster: "c", Kind: drivers.VM, Name: drivers.Power},
		"a target of no cluster": {Kind: drivers.VM, Target: "v", Name: drivers.Power},
		"a kind that is none":    {Cluster: "c", Kind: "cat", Target: "v", Name: drivers.Power},
	} {
		if p.Valid() == nil {
			t.Errorf("%s is valid", what)
		}
	}
	for _, text := range []string{"", "a/b", "c/vm/v/power/x", "c/vm/%zz/power", "a/b/c/d/e/f"} {
		if p, err := drivers.ParseProperty(text); err == nil {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

func TestWhatACallerDoesAboutAnError(t *testing.T) {
	for kind, want := range map[drivers.ErrorKind]drivers.Reaction{
		drivers.Unavailable: drivers.Retry, drivers.Busy: drivers.Wait, drivers.GraceOver: drivers.Escalate,
		drivers.Drift: drivers.Hold, drivers.Refused: drivers.Hold, drivers.NotFound: drivers.Hold,
		drivers.Invalid: drivers.Never, "of a newer contract": drivers.Hold,
	} {
		err := fmt.Errorf("wrapped: %w", &drivers.Error{Kind: kind, Op: "power off", Object: "db-01", Cause: errors.New("no answer")})
		if got := drivers.KindOf(err).Reaction(); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
	if got := drivers.KindOf(errors.New("from elsewhere")); got != drivers.Unavailable {
		t.Errorf("an error that is no driver's: %s", got)
	}
}

func TestAnErrorNamesOperationObjectCauseAndNextStep(t *testing.T) {
	err := &drivers.Error{Op: "power off", Object: "db-01", Cause: errors.New("a question is pending"), Next: "answer it"}
	if got, want := err.Error(), "power off db-01: a question is pending; answer it"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A next step is said once, however often the error was wrapped on its way.
func TestANextStepIsSaidOnce(t *testing.T) {
	cause := fmt.Errorf("dr1: %w", &drivers.Error{Op: "read", Object: "replica r", Cause: errors.New("it has no manifest"), Next: "check its path"})
	err := &drivers.Error{Op: "read the inventory of", Object: "vc1", Cause: cause, Next: "check its path"}
	if got, want := err.Error(), "read the inventory of vc1: dr1: read replica r: it has no manifest; check its path"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheProblemOfAReplicaSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&drivers.Error{Op: "read", Object: "replica r", Cause: errors.New("it has no manifest"), Next: "check its path"}, "read replica r: it has no manifest; check its path"},
		{errors.New("input/output error"), "read replica r: input/output error; look at the replica's folder, and at its storage"},
		{&drivers.Error{Op: "read", Object: "replica r", Cause: errors.New("input/output error")}, "read replica r: input/output error; look at the replica's folder, and at its storage"},
	} {
		if r := drivers.Unreadable("r", c.err); r.Path != "r" || r.Problem != c.want || r.Role != "" || r.RestorePoints != nil {
			t.Errorf("%+v, want the problem %q", r, c.want)
		}
	}
}

func TestACloneSharesNothing(t *testing.T) {
	v := drivers.Value{Text: drivers.Primary, Made: map[string]string{"root": "a"}, Rest: json.RawMessage(`{}`),
		Spec: &drivers.Spec{VM: &drivers.VMSpec{Networks: map[string]string{"n": "a"}}, Volume: &drivers.VolumeSpec{Volume: "a"},
			Replica: &drivers.ReplicaSpec{Volumes: []string{"a"}}}}
	before, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	c := v.Clone()
	c.Made["root"], c.Rest[0], c.Spec.VM.Networks["n"], c.Spec.Volume.Volume, c.Spec.Replica.Volumes[0] = "b", 'x', "b", "b", "b"
	if after, err := json.Marshal(v); err != nil || string(after) != string(before) {
		t.Errorf("changing a clone changed what it was cloned from: %s, %v", after, err)
	}
}
