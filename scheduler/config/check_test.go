package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

// known are the drivers of a machine that has all but the elsewhere one.
var known = Drivers{Known: []string{"libvirt", "sim", "vsphere"}, Schema: func(driver string) ([]drivers.Attribute, error) {
	switch driver {
	case "sim":
		return driverSchema[:2], nil
	case "libvirt":
		return nil, errors.New("it ended at once")
	}
	return nil, fmt.Errorf("find it: %w", fs.ErrNotExist)
}}

// checked gives what Check says of the test site with edits, without the folder's name.
func checked(t *testing.T, edits []string, files map[string]string) (unchecked []string, said string) {
	t.Helper()
	folder := writeSite(t, edits, files)
	loaded, unchecked, err := Check(folder, known)
	var errs Errors
	switch {
	case err == nil && loaded != nil:
		return unchecked, ""
	case loaded != nil || !errors.As(err, &errs):
		t.Fatalf("got %v and %v, want Errors", loaded, err)
	}
	return unchecked, strings.ReplaceAll(err.Error(), folder+"/", "")
}

const wholeSite = "cluster \"dr2\" {\n  driver = \"sim\""

// The mistakes of the files and those of the drivers' blocks are told together.
func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	_, said := checked(t, []string{`password_file = "vc.password"`, `password_file = "nowhere"`, `priority = 2`, `priority = two`, `"am.token"`, `"nowhere/am.token"`}, nil)
	for _, want := range []string{
		`site.hcl:12:5: cluster "dr1", config: password_file "nowhere" does not exist`,
		`cluster "dr1", config: url is missing`,
		`cluster "dr2": url is missing`,
		`priority is a bare word`,
		`token_file "nowhere/am.token" does not exist`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it lacks %q:\n%s", want, said)
		}
	}
	if !slices.IsSorted([]int{strings.Index(said, ":12:5:"), strings.Index(said, ":19:1:"), strings.Index(said, "priority"), strings.Index(said, "am.token")}) {
		t.Errorf("it is not in the order of the file:\n%s", said)
	}
	// A value that is wrong whatever the driver says is told once.
	if _, said := checked(t, []string{`password_file = "vc.password"`, `password_file = hunter2`}, nil); strings.Count(said, `config: password_file`) != 1 || strings.Contains(said, "hunter2") {
		t.Errorf("a bare word in a driver's block:\n%s", said)
	}
}

func TestADriverThatIsNotOnThisMachine(t *testing.T) {
	for _, c := range []struct {
		driver, said string
		unchecked    []string
	}{
		{"vsphere", "", []string{"dr2"}},
		{"xen-of-ours", "", []string{"dr2"}},
		{"vspher", "there is no driver \"vspher\"\n\tdid you mean \"vsphere\"? drivers: libvirt, sim, vsphere", nil},
		{"libvirt", "driver \"libvirt\" cannot be asked what its config block may hold: it ended at once", nil},
	} {
		unchecked, said := checked(t, []string{`password_file = "vc.password"`, "url = \"x\"\n    password_file = \"vc.password\"", wholeSite, "cluster \"dr2\" {\n  driver = \"" + c.driver + "\""}, nil)
		if !slices.Equal(unchecked, c.unchecked) || !strings.Contains(said, c.said) || (said == "") != (c.said == "") {
			t.Errorf("%s: unchecked %q, said %q", c.driver, unchecked, said)
		}
		if c.said != "" && !strings.HasPrefix(said, "site.hcl:21:3: cluster \"dr2\": ") {
			t.Errorf("%s: it has another place: %s", c.driver, said)
		}
	}
}
