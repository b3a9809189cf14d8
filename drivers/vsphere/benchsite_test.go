package vsphere

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	sessions "github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// benchVMs is how many VMs the benchmark's vCenter has.
const benchVMs = 500

// benchSimulator, where it is set, makes this test binary the benchmark's vCenter: govmomi's
// simulator without delays, in a process of its own, until its standard input ends.
const benchSimulator = "HOTSPARE_BENCH_SIMULATOR"

func init() {
	if os.Getenv(benchSimulator) != "" {
		if err := simulate(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func simulate() error {
	model := simulator.VPX()
	model.ClusterHost, model.Host, model.Machine, model.Autostart = 16, 0, benchVMs, false
	if err := model.Create(); err != nil {
		return err
	}
	defer model.Remove()
	model.Service.TLS = new(tls.Config)
	server := model.Service.NewServer()
	fmt.Printf("ready %s %X\n", server.URL, sha256.Sum256(server.Certificate().Raw))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		forgetTasks(model)
		fmt.Println("forgotten")
	}
	return nil
}

// forgetTasks removes the tasks that ended, as a vCenter does after some minutes. The
// simulator keeps all, and its searches walk over them.
func forgetTasks(model *simulator.Model) {
	ctx := model.Service.Context
	for _, entity := range model.Map().All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		ctx.WithLock(vm, func() { vm.RecentTask = nil })
	}
	for _, task := range model.Map().AllReference("Task") {
		ctx.Map.Remove(ctx, task.Reference())
	}
}

// benchSite is that vCenter as the benchmark sees it: through the driver in its process,
// and by plain govmomi.
type benchSite struct {
	*testing.B
	driver    drivers.Driver
	forget    func()         // has the simulator forget old tasks
	processes map[string]int // their ids: the simulator, the driver, and who calls
	body      []byte         // the driver's configuration
	vms       []*object.VirtualMachine
	ids       []string // instance UUIDs
}

func newBenchSite(b *testing.B) *benchSite {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchSimulator+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	answers := bufio.NewReader(out)
	line, err := answers.ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 3 {
		b.Fatalf("the simulator says %q, %v", line, err)
	}
	s := &benchSite{B: b, processes: map[string]int{"simulator": cmd.Process.Pid, "caller": os.Getpid()}}
	s.forget = func() {
		_, err := fmt.Fprintln(in)
		if err == nil {
			_, err = answers.ReadString('\n')
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	s.connect(words[1])
	s.supervise(words[1], words[2])
	return s
}

func (s *benchSite) connect(address string) {
	s.Helper()
	u, err := url.Parse(address)
	if err != nil {
		s.Fatal(err)
	}
	account := u.User
	u.User = nil
	client := soap.NewClient(u, true)
	client.DefaultTransport().MaxIdleConnsPerHost = connections
	plain, err := vim25.NewClient(s.Context(), client)
	if err != nil {
		s.Fatal(err)
	}
	if err := sessions.NewManager(plain).Login(s.Context(), account); err != nil {
		s.Fatal(err)
	}
	all, err := view.NewManager(plain).CreateContainerView(s.Context(), plain.ServiceContent.RootFolder, []string{"VirtualMachine"}, true)
	if err != nil {
		s.Fatal(err)
	}
	var machines []mo.VirtualMachine
	if err := all.Retrieve(s.Context(), []string{"VirtualMachine"}, []string{"config.instanceUuid"}, &machines); err != nil {
		s.Fatal(err)
	}
	for _, vm := range machines {
		s.vms = append(s.vms, object.NewVirtualMachine(plain, vm.Self))
		s.ids = append(s.ids, vm.Config.InstanceUuid)
	}
	if len(s.vms) != benchVMs {
		s.Fatalf("the simulator has %d VMs", len(s.vms))
	}
}

func (s *benchSite) supervise(address, thumbprint string) {
	s.Helper()
	u, err := url.Parse(address)
	if err != nil {
		s.Fatal(err)
	}
	password, _ := u.User.Password()
	body, err := json.Marshal(map[string]string{
		"url": "https://" + u.Host + u.Path, "username": u.User.Username(), "password_file": password, "thumbprint": thumbprint,
		"datacenter": "DC0", "compute": "DC0_C0", "volumes_datastore": "LocalDS_0",
	})
	if err != nil {
		s.Fatal(err)
	}
	s.body = body
	binary := drivertest.Build(s.B, "github.com/hotspare/hotspare/cmd/hotspare-driver-vsphere")
	supervisor, err := plugin.Supervise(s.Context(), plugin.Config{Binary: binary, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(supervisor.Close)
	if err := supervisor.Configure(s.Context(), drivers.Configuration{Site: siteName, Cluster: clusterName, Body: body}); err != nil {
		s.Fatal(err)
	}
	s.driver, s.processes["driver"] = supervisor, supervisor.Status().PID
}
