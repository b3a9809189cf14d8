package devsite

import (
	"fmt"
	"path"
	"time"

	"github.com/google/uuid"
)

// What the site holds. The README explains the numbers.
const (
	datacenterName  = "DC0"
	clusterName     = "DC0_C0"
	folderName      = "hotspare"
	replicaStore    = "LocalDS_0"
	volumeStore     = "LocalDS_1"
	hostCount       = 8
	hostThreads     = 16
	hostMemoryGiB   = 64
	storeCapacity   = int64(4) << 40
	standbyNetwork  = "PG-STANDBY"
	networkApp      = "PG-PROD-APP"
	networkDB       = "PG-PROD-DB"
	username        = "hotspare@dr.example"
	stubbornName    = "tpl-stubborn"
	guestKey        = "devsite.guest" // in a VM's extraConfig
	ignoresShutdown = "ignores-shutdown"
	withoutTools    = "without-tools"
	incompletePoint = 2 // index of the restore point that is not complete
)

var isolatedNetworks = []string{"ISO-01", "ISO-02", "ISO-03", "ISO-04", "ISO-05", "ISO-06"}

// productionHosts can reach the production networks; the others only lend.
const productionHosts = 5

func hostName(i int) string { return fmt.Sprintf("esx-%02d", i+1) }

// group is one protection group.
type group struct {
	name     string
	priority int
	rto, rpo string
	owner    string
	copied   bool // anybody may copy it
	vms      []standby
}

// standby is one standby VM.
type standby struct {
	name      string
	start     int
	host      int
	cpus      int
	memoryGiB int
	network   string // its production network
	role      string // name of that network in the configuration
	volumes   []string
	port      int // of its service, from the base
}

var groups = []group{
	{name: "erp-dr", priority: 1, rto: "15m", rpo: "1h", owner: "erp", copied: true, vms: []standby{
		{name: "erp-db-01", start: 1, host: 0, cpus: 8, memoryGiB: 48, network: networkDB, role: "prod-db", volumes: []string{"erp-db-01-root", "erp-db-01-data"}, port: 1},
		{name: "erp-app-01", start: 2, host: 1, cpus: 8, memoryGiB: 40, network: networkApp, role: "prod-app", volumes: []string{"erp-app-01-root"}, port: 2},
		{name: "erp-web-01", start: 3, host: 2, cpus: 4, memoryGiB: 36, network: networkApp, role: "prod-app", volumes: []string{"erp-web-01-root"}, port: 3},
	}},
	{name: "payments", priority: 2, rto: "30m", rpo: "1h", owner: "pay", copied: true, vms: []standby{
		{name: "pay-db-01", start: 1, host: 3, cpus: 8, memoryGiB: 40, network: networkDB, role: "prod-db", volumes: []string{"pay-db-01-root", "pay-db-01-data"}, port: 4},
		{name: "pay-app-01", start: 2, host: 4, cpus: 4, memoryGiB: 36, network: networkApp, role: "prod-app", volumes: []string{"pay-app-01-root"}, port: 5},
	}},
	{name: "reports", priority: 3, rto: "4h", rpo: "24h", owner: "bi", vms: []standby{
		{name: "rep-01", start: 1, host: 4, cpus: 4, memoryGiB: 16, network: networkApp, role: "prod-app", volumes: []string{"rep-01-root"}, port: 6},
	}},
}

// portCount is how many ports the services of the standby VMs need.
const portCount = 6

// template is one template.
type template struct {
	name      string
	alias     string // in the configuration
	cpus      int
	memoryGiB int
}

var templates = []template{
	{"tpl-ubuntu", "ubuntu", 2, 4},
	{"tpl-loadgen", "loadgen", 8, 40},
	{stubbornName, "stubborn", 2, 4},
}

// service is a VM of the site itself: on, and nobody's to take.
type service struct {
	name      string
	host      int
	cpus      int
	memoryGiB int
}

var services = []service{{"svc-dns-01", 6, 2, 8}, {"svc-backup-01", 7, 4, 8}}

// instanceUUID is the same for a VM's name at every start.
func instanceUUID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("hotspare-devsite/"+name)).String()
}

func macAddress(name string) string {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("hotspare-devsite/mac/"+name))
	return fmt.Sprintf("00:50:56:%02x:%02x:%02x", id[0]&0x3f, id[1], id[2])
}

func (g group) folder() string { return "replica/" + g.name }

func (g group) replica() string { return "[" + replicaStore + "] " + g.folder() }

// basePath is the disk that a standby VM has while nothing runs on it.
func (g group) basePath(volume string) string {
	return "[" + replicaStore + "] " + path.Join(g.folder(), volume+".vmdk")
}

// point is one restore point of a group.
type point struct {
	id       string
	at       time.Time
	complete bool
}

// points gives a group's restore points: two complete ones, and the newest, which
// replication has not ended.
func points(start time.Time) []point {
	var list []point
	for i, age := range []time.Duration{19 * time.Minute, 4 * time.Minute, 20 * time.Second} {
		at := start.Add(-age).UTC().Truncate(time.Second)
		list = append(list, point{id: at.Format("20060102T150405Z"), at: at, complete: i != incompletePoint})
	}
	return list
}

// pointPath is where a restore point's disk lies, below its replica's folder.
func pointPath(p point, volume string) string { return path.Join(p.id, volume+".vmdk") }
