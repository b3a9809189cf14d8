package restorepoint

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
)

// Names are people's: whatever they hold, two never share a file, and none leaves its folder.
func TestNamesBecomeFilesOfTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := rapid.String().Draw(t, "one"), rapid.String().Draw(t, "other")
		a, b := Escape(one), Escape(other)
		if (a == b) != (one == other) {
			t.Fatalf("%q and %q are %q and %q", one, other, a, b)
		}
		if strings.ContainsAny(a, "/\x00") || strings.HasPrefix(a, ".") {
			t.Fatalf("%q is %q", one, a)
		}
	})
}

func TestAManifestIsReadOldestFirst(t *testing.T) {
	const text = `{"restorePoints":[
		{"id":"rp-2","time":"2026-11-20T02:00:00Z","complete":false,"volumes":{"root":"b"}},
		{"id":"rp-1","time":"2026-11-20T01:00:00Z","complete":true,"volumes":{"root":"a"}}]}`
	points, err := ParseManifest([]byte(text), func(path string) (string, error) { return "/replica/" + path, nil })
	if err != nil || len(points) != 2 || points[0].ID != "rp-1" || points[0].Volumes["root"] != "/replica/a" {
		t.Fatalf("%+v, %v", points, err)
	}
	for id, want := range map[string]drivers.ErrorKind{"rp-1": "", "rp-2": drivers.Refused, "rp-3": drivers.NotFound} {
		if _, err := Find(points, "/replica", id); drivers.KindOf(err) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := ParseManifest([]byte(text[:40]), nil); err == nil {
		t.Error("half a manifest is read as one")
	}
}

func TestWhatIsNotOfOurFormIsNotTaken(t *testing.T) {
	if _, err := ParseMarker([]byte(`{"role":"primary"}`), "/replica"); drivers.KindOf(err) != drivers.Refused {
		t.Errorf("somebody else's marker: %v", err)
	}
	if _, err := ParseRecord([]byte(`{"v":2}`), "/x.json"); err == nil || !strings.Contains(err.Error(), "/x.json") {
		t.Errorf("a record of another version: %v", err)
	}
	if _, err := ParseVolume("no-slash"); drivers.KindOf(err) != drivers.Invalid {
		t.Errorf("a volume without a holder: %v", err)
	}
}

func TestAVolumeHangsOnWhatItsRecordSays(t *testing.T) {
	r := &Record{V: 1, Endpoint: "/v", Replica: "/replica", RestorePoint: "rp-1", Volume: "root"}
	goal := func(point string) drivers.Value {
		return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{Replica: "/replica", RestorePoint: point, Volume: "root"}}}
	}
	if !r.HangsOn(goal("rp-1")) || r.HangsOn(goal("rp-2")) || !r.HangsOn(r.Value()) || !r.HangsOn(drivers.Value{Text: drivers.Present}) {
		t.Error("the record and the goal are not compared")
	}
	other := *r
	other.RestorePoint = "rp-2"
	if SameVolume(r.Value(), other.Value()) || !SameVolume(r.Value(), drivers.Value{Text: drivers.Present}) {
		t.Error("the values are not compared")
	}
}
