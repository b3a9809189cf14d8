// Package imports keeps the direction of imports: scheduler decides and remembers,
// drivers touch hypervisors, cmd wires them.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hotspare/hotspare/"

// rule: packages below From may import, of this module, nothing below Not, for Reason. A
// From that ends in "$" is that package alone. With Std they may import only the standard
// library and what Only lists.
type rule struct {
	From   string
	Not    []string
	Only   []string // of this module; with Std nothing else outside the standard library
	Std    bool
	Reason string
}

var rules = []rule{
	{From: "drivers$", Std: true, Reason: "a driver's author needs nothing but the contract"},
	{From: "drivers/restorepoint", Std: true, Only: []string{"drivers"}, Reason: "what drivers share of replicas is pure"},
	{From: "cmd/hotspare$", Not: []string{"drivers/libvirt"}, Reason: "the main binary is built without cgo"},
	{From: "cmd/hotspare-driver-libvirt", Not: []string{"drivers/libvirt/kvmsite"}, Reason: "the rig is for tests"},
	{From: "drivers/libvirt$", Not: []string{"drivers/libvirt/kvmsite"}, Reason: "the rig is for tests"},
	{From: "scheduler$", Std: true, Only: []string{"drivers"}, Reason: "the nouns have no dependencies"},
	{From: "scheduler/place", Std: true, Only: []string{"drivers", "scheduler"}, Reason: "decisions are pure: no I/O, no store"},
	{From: "scheduler/preempt", Std: true, Only: []string{"drivers", "scheduler", "scheduler/place"}, Reason: "decisions are pure: no I/O, no store"},
	{From: "scheduler/plan", Std: true, Only: []string{"drivers", "scheduler", "scheduler/place", "scheduler/preempt"}, Reason: "decisions are pure: no I/O, no store"},
	{From: "scheduler/trigger", Std: true, Reason: "reading a signal is pure"},
	{From: "scheduler/execute", Std: true, Only: []string{"drivers", "scheduler"}, Reason: "the executor declares what it needs of journal and drivers"},
	{From: "scheduler/journal", Not: []string{"scheduler/execute", "scheduler/server", "scheduler/api", "scheduler/config", "cmd", "drivers/"}, Reason: "the journal remembers, and knows nobody who acts"},
	{From: "scheduler/config", Not: []string{"scheduler/journal", "scheduler/execute", "scheduler/server", "scheduler/api", "cmd", "drivers/"}, Reason: "configuration becomes nouns, and starts nothing"},
	{From: "scheduler/api", Not: []string{"scheduler/journal", "scheduler/server", "scheduler/config", "cmd", "drivers/"}, Reason: "the interface does not know what serves it"},
	{From: "scheduler/server", Not: []string{"scheduler/config", "cmd", "drivers/"}, Reason: "the server is given its drivers and its site"},
	{From: "scheduler", Not: []string{"cmd", "scripts"}, Reason: "imports point one way"},
	{From: "drivers", Not: []string{"scheduler", "cmd", "scripts"}, Reason: "a driver does not know who decides"},
}

// forbidden imports of anyone but those who are named.
var only = map[string][]string{
	"go.etcd.io/bbolt":                 {"scheduler/journal"},
	"github.com/vmware/govmomi":        {"drivers/vsphere", "cmd/hotspare-dev-vcenter", "scripts/demo"},
	"libvirt.org/go":                   {"drivers/libvirt"},
	"github.com/hashicorp/go-plugin":   {"drivers/plugin"},
	"github.com/hashicorp/hcl/v2":      {"scheduler/config"},
	"github.com/spf13/cobra":           {"cmd/hotspare"},
	module + "drivers/vsphere/devsite": {"drivers/vsphere", "cmd/hotspare-dev-vcenter", "scripts/demo"},
	module + "drivers/libvirt/kvmsite": {"drivers/libvirt", "scripts"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestImports(t *testing.T) {
	standard := map[string]bool{}
	var ours []pkg
	for _, p := range list(t) {
		standard[p.ImportPath] = p.Standard
		if strings.HasPrefix(p.ImportPath, module) {
			ours = append(ours, p)
		}
	}
	if len(ours) < 15 {
		t.Fatalf("only %d packages were looked at", len(ours))
	}
	for _, p := range ours {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			for _, r := range rules {
				if r.covers(name) && r.forbids(imported, standard[imported]) {
					t.Errorf("%s imports %s: %s", name, imported, r.Reason)
				}
			}
			for what, who := range only {
				if below(imported, what) && !slices.ContainsFunc(who, func(w string) bool { return below(name, w) }) {
					t.Errorf("%s imports %s: only %v may", name, imported, who)
				}
			}
		}
	}
}

func (r rule) covers(name string) bool {
	if exact, ok := strings.CutSuffix(r.From, "$"); ok {
		return name == exact
	}
	return below(name, r.From)
}

func (r rule) forbids(imported string, standard bool) bool {
	name, ours := strings.CutPrefix(imported, module)
	if r.Std {
		return !standard && !(ours && slices.Contains(r.Only, name))
	}
	return ours && slices.ContainsFunc(r.Not, func(not string) bool {
		return below(name, not) || strings.HasSuffix(not, "/") && strings.HasPrefix(name, not)
	})
}

func below(name, parent string) bool { return name == parent || strings.HasPrefix(name, parent+"/") }

// list asks go for every package of the module, and all that they import.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
