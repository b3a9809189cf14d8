package vsphere

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// benchSite is that vCenter as the benchmark sees it: through the driver in its process,
// and by plain govmomi.
type benchSite struct {
	*testing.B
	driver *plugin.Supervisor
	vms    []*object.VirtualMachine
	ids    []string // instance UUIDs
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
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 3 {
		b.Fatalf("the simulator says %q, %v", line, err)
	}
	s := &benchSite{B: b}
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
	binary := drivertest.Build(s.B, "github.com/hotspare/hotspare/cmd/hotspare-driver-vsphere")
	s.driver, err = plugin.Supervise(s.Context(), plugin.Config{Binary: binary, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(s.driver.Close)
	if err := s.driver.Configure(s.Context(), drivers.Configuration{Site: siteName, Cluster: clusterName, Body: body}); err != nil {
		s.Fatal(err)
	}
}

// each does something with every VM, so many at once, and tells how long all took.
func (s *benchSite) each(parallel int, do func(i int) error) time.Duration {
	s.Helper()
	var workers sync.WaitGroup
	next := make(chan int)
	began := time.Now()
	for range parallel {
		workers.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range s.vms {
		next <- i
	}
	close(next)
	workers.Wait()
	took := time.Since(began)
	if s.Failed() {
		s.FailNow()
	}
	return took
}

func (s *benchSite) on() {
	s.Helper()
	s.each(8, func(i int) error {
		task, err := s.vms[i].PowerOn(s.Context())
		if err != nil {
			return err
		}
		return task.Wait(s.Context())
	})
}

// plain powers all off as one does by hand: each goroutine submits the task and waits for
// it.
func (s *benchSite) plain(parallel int) time.Duration {
	s.Helper()
	s.on()
	return s.each(parallel, func(i int) error {
		task, err := s.vms[i].PowerOff(s.Context())
		if err != nil {
			return err
		}
		return task.Wait(s.Context())
	})
}

// ours powers all off through the supervised driver process.
func (s *benchSite) ours(parallel int) time.Duration {
	s.Helper()
	s.on()
	return s.each(parallel, func(i int) error {
		p := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: s.ids[i], Name: drivers.Power}
		value, err := s.driver.Apply(s.Context(), drivers.Change{
			Property: p, ID: fmt.Sprintf("c-%d", i), Force: true,
			Expected: []drivers.Value{{Text: drivers.On}}, Goal: drivers.Value{Text: drivers.Off},
			Owner: drivers.Owner{Site: siteName, Holder: "ws-1"},
		}, nil)
		if err == nil && value.Text != drivers.Off {
			err = fmt.Errorf("VM %s is %s", s.ids[i], value.Text)
		}
		return err
	})
}

// BenchmarkTargetPowerOff500 powers 500 VMs off through plugin and gRPC, as many at once as
// the driver declares, beside plain govmomi that submits and waits with 1, 8, 16, 32 and 64
// goroutines. The peer is the number of goroutines with the best median; target: the
// median of the pairs' ratios to it is at most 1.3. Powering on is not timed.
func BenchmarkTargetPowerOff500(b *testing.B) {
	const pairs = 7
	s := newBenchSite(b)
	about, err := s.driver.Describe(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	limit := 0
	for _, l := range about.Limits {
		if l.Kind == drivers.VM && l.Name == drivers.Power {
			limit = l.PerCluster
		}
	}
	s.ours(limit) // both ways are warm
	s.plain(8)
	var ours []time.Duration
	plain := map[int][]time.Duration{}
	widths := []int{1, 8, 16, 32, 64}
	for range pairs {
		ours = append(ours, s.ours(limit))
		for _, width := range widths {
			plain[width] = append(plain[width], s.plain(width))
		}
	}
	best := slices.MinFunc(widths, func(a, b int) int { return int(middle(plain[a]) - middle(plain[b])) })
	var ratios []float64
	for i := range pairs {
		ratios = append(ratios, float64(ours[i])/float64(plain[best][i]))
	}
	for _, width := range widths {
		b.Logf("plain, %2d at once: %s, median of %v", width, middle(plain[width]), plain[width])
	}
	b.Logf("ours,  %2d at once: %s, median of %v; ratios to plain with %d: %.2f", limit, middle(ours), ours, best, ratios)
	b.ReportMetric(middle(ratios), "×plain(target≤1.3)")
	b.ReportMetric(middle(ours).Seconds(), "s/ours")
	b.ReportMetric(middle(plain[best]).Seconds(), "s/plain")
	b.ReportMetric(float64(best), "plain-at-once")
}

// middle is the median.
func middle[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
