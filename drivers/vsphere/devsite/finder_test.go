package devsite

import (
	"net/url"
	"testing"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

// A VM is listed some instructions before it has its name. Whoever searches just then gets
// an answer, and so does whoever searches later.
func TestASearchWaitsForTheNameOfAVMThatIsBeingMade(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	site, err := Start(t.Context(), Options{Dir: dir, Scale: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	secret, err := ReadPassword(dir)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(site.Info.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := vim25.NewClient(t.Context(), soap.NewClient(u, true))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.NewManager(client).Login(t.Context(), url.UserPassword(username, secret)); err != nil {
		t.Fatal(err)
	}
	search := func() error {
		_, err := object.NewSearchIndex(client).FindByInventoryPath(t.Context(), "/DC0/vm/no-such-vm")
		return err
	}
	vm := site.model.Map().All("VirtualMachine")[0].(*simulator.VirtualMachine)
	name := vm.Name
	rename := func(to string) {
		ctx := ownContext(site.model)
		ctx.WithLock(vm, func() { vm.Name = to })
	}
	rename("")
	found := make(chan error)
	go func() { found <- search() }()
	select {
	case err := <-found:
		t.Fatalf("it searched among VMs without names: %v", err)
	case <-time.After(100 * time.Millisecond): // time enough to fail
	}
	rename(name)
	if err := <-found; err != nil {
		t.Errorf("the search that waited: %v", err)
	}
	if err := search(); err != nil {
		t.Errorf("the search after it: %v", err)
	}
}
