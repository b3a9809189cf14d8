package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files and the reference anew")

// wrong is one mistake, made in testdata/site.hcl.
type wrong struct {
	name  string
	edits []string          // old, new, old, new, …; each old stands in the file once
	files map[string]string // besides, or instead of, the secrets
}

var wrongs = []wrong{
	// What is not known, and what is missing.
	{name: "unknown attribute", edits: []string{`rto      = "15m"`, `rtoo     = "15m"`}},
	{name: "unknown attribute that is near nothing", edits: []string{`state_dir = "state"`, "state_dir = \"state\"\n  colour = \"red\""}},
	{name: "unknown block", edits: []string{"workspaces {", "workspace {"}},
	{name: "unknown block in a VM", edits: []string{`disk "scsi0:1" {`, `dsk "scsi0:1" {`}},
	{name: "block written as an attribute", edits: []string{"room {\n    cpu_ratio = 2\n  }", "room = { cpu_ratio = 2 }"}},
	{name: "attribute written as a block", edits: []string{`owner    = "pay"`, "owner {}"}},
	{name: "attribute at the top of the file", edits: []string{"workspaces {", "notice = \"10m\"\nworkspaces {"}},
	{name: "block in a driver's block", edits: []string{`password_file = "vc.password"`, "login {}"}},
	{name: "attribute of another kind of readiness", edits: []string{`url = "http://127.0.0.1:18101/healthz"`, `address = "127.0.0.1:18101"`}},
	{name: "missing required attribute", edits: []string{"  rpo      = \"5m\"\n", ""}},
	{name: "missing required attributes of everything", edits: []string{"  cluster = \"dr1\"\n  source  = \"tpl-ubuntu\"\n  cpus    = 2\n  memory  = \"4GiB\"\n", ""}},
	{name: "no listen block", edits: []string{"  listen {\n    unix = \"run/hotspare.sock\"\n    tcp  = \"127.0.0.1:7780\"\n  }\n", ""}},
	{name: "misspelled block is not missing as well", edits: []string{`  listen {`, `  listn {`}},
	{name: "attribute that is near a block", edits: []string{`rto      = "15m"`, "rto      = \"15m\"\n  cpy = 1"}},
	{name: "group without VMs", edits: []string{"  vm \"ord-01\" {\n    cluster = \"dr1\"\n    uuid    = \"4c4c4544-0042-3510-8053-b4c04f4a4e32\"\n    ready \"command\" {\n      command = [\"/usr/local/bin/check\", \"orders\"]\n    }\n  }\n", ""}},

	// Names.
	{name: "site without a name", edits: []string{`site "dr-east" {`, "site {"}},
	{name: "block with too many labels", edits: []string{`workspaces {`, `workspaces "all" {`}},
	{name: "site name in capitals", edits: []string{`site "dr-east"`, `site "DR_East"`}},
	{name: "cluster name in capitals", edits: []string{`cluster "dr2"`, `cluster "DR2"`, `cluster    = "dr2"`, `cluster    = "DR2"`}},
	{name: "group name with a slash", edits: []string{`protection_group "orders"`, `protection_group "shop/orders"`}},
	{name: "group name that begins with a dash", edits: []string{`protection_group "orders"`, `protection_group "-orders"`}},
	{name: "group name that is empty", edits: []string{`protection_group "orders"`, `protection_group ""`}},
	{name: "group name that is too long", edits: []string{`protection_group "orders"`, `protection_group "` + strings.Repeat("o", 64) + `"`}},
	{name: "template name with a space", edits: []string{`template "small"`, `template "small one"`}},
	{name: "trigger name with a space", edits: []string{`trigger "alertmanager" "prod"`, `trigger "alertmanager" "prod one"`}},
	{name: "VM name that is empty", edits: []string{`vm "ord-01"`, `vm " "`}},
	{name: "slot with a control character", edits: []string{`disk "scsi0:1"`, `disk "scsi0\t1"`}},
	{name: "driver that is a path", edits: []string{"driver = \"sim\"\n  config", "driver = \"../sim\"\n  config"}},
	{name: "network called isolated", edits: []string{`network "standby"`, `network "isolated"`}},

	// What is there twice.
	{name: "attribute set twice", edits: []string{`owner    = "pay"`, "owner    = \"pay\"\n  priority = 2"}},
	{name: "attribute set twice does not hide the rest", edits: []string{`owner    = "pay"`, "owner    = 7\n  priority = 2"}},
	{name: "two site blocks", edits: []string{"workspaces {", "site \"dr-west\" {\n  state_dir = \"west\"\n  listen {\n    unix = \"w.sock\"\n  }\n}\n\nworkspaces {"}},
	{name: "two workspaces blocks", edits: []string{"workspaces {", "workspaces {}\n\nworkspaces {"}},
	{name: "two room blocks", edits: []string{"  room {", "  room {}\n  room {"}},
	{name: "two ready blocks", edits: []string{`    ready "tcp" {`, "    ready \"http\" {\n      url = \"http://a/\"\n    }\n    ready \"tcp\" {"}},
	{name: "two clusters of one name", edits: []string{`cluster "dr2"`, `cluster "dr1"`, `cluster    = "dr2"`, `cluster    = "dr1"`, `port_group = "PG-PROD"
  role       = "production"
}

isolated`, `port_group = "PG-FAR"
  role       = "production"
}

isolated`}},
	{name: "two networks of one name", edits: []string{`network "standby"`, `network "prod"`}},
	{name: "two pools of one name", edits: []string{`isolated_networks "more"`, `isolated_networks "iso"`}},
	{name: "two groups of one name", edits: []string{`protection_group "orders"`, `protection_group "payments"`}},
	{name: "two replicas of one name", edits: []string{`replica "ledger"`, `replica "payments"`}},
	{name: "two VMs of one name in a group", edits: []string{`vm "pay-app-01"`, `vm "pay-db-01"`}},
	{name: "two disks in one slot", edits: []string{`disk "scsi0:1"`, `disk "scsi0:0"`}},
	{name: "two NICs in one slot", edits: []string{`    nic "ethernet0" {`, "    nic \"ethernet0\" {\n      production = \"prod\"\n    }\n    nic \"ethernet0\" {"}},
	{name: "two templates of one name", edits: []string{`template "small" {`, "template \"small\" {\n  cluster = \"dr1\"\n  source  = \"other\"\n  cpus    = 1\n  memory  = \"1GiB\"\n}\n\ntemplate \"small\" {"}},
	{name: "two triggers of one name", edits: []string{`trigger "alertmanager" "prod" {`, "trigger \"alertmanager\" \"prod\" {\n  token_file  = \"am.token\"\n  group_label = \"g\"\n}\n\ntrigger \"alertmanager\" \"prod\" {"}},
	{name: "VM in two groups", edits: []string{`vm "ord-01"`, `vm "pay-db-01"`}},
	{name: "UUID of two VMs", edits: []string{`"4c4c4544-0042-3510-8053-b4c04f4a4e32"`, `"4C4C4544-0042-3510-8053-B4C04F4A4E31"`}},
	{name: "volume in two disks", edits: []string{`volume  = "data"`, `volume  = "root"`}},
	{name: "replica path of two groups", edits: []string{`path    = "replica/orders"`, `path    = "replica/payments"`}},
	{name: "replica path twice in a group", edits: []string{`path    = "replica/ledger"`, `path    = "replica/payments"`}},
	{name: "port group of two networks", edits: []string{`port_group = "PG-STANDBY"`, `port_group = "PG-PROD"`}},
	{name: "isolated network that is production's", edits: []string{`["ISO-01", "ISO-02"]`, `["ISO-01", "PG-PROD"]`}},
	{name: "isolated network that is a standby network", edits: []string{`["ISO-01", "ISO-02"]`, `["PG-STANDBY", "ISO-02"]`}},
	{name: "isolated network in two pools", edits: []string{`["ISO-03"]`, `["ISO-03", "ISO-02"]`}},
	{name: "isolated network twice in a pool", edits: []string{`["ISO-03"]`, `["ISO-03", "ISO-03"]`}},

	// Names that lead nowhere.
	{name: "dangling cluster of a network", edits: []string{"cluster    = \"dr1\"\n  port_group = \"PG-STANDBY\"", "cluster    = \"dr3\"\n  port_group = \"PG-STANDBY\""}},
	{name: "dangling cluster of a VM is one mistake", edits: []string{"vm \"pay-db-01\" {\n    cluster = \"dr1\"", "vm \"pay-db-01\" {\n    cluster = \"mars\""}},
	{name: "dangling cluster of a template", edits: []string{"template \"small\" {\n  cluster = \"dr1\"", "template \"small\" {\n  cluster = \"mars\""}},
	{name: "dangling replica", edits: []string{"replica = \"payments\"\n      volume  = \"data\"", "replica = \"payment\"\n      volume  = \"data\""}},
	{name: "replica of another group", edits: []string{"replica = \"payments\"\n      volume  = \"data\"", "replica = \"orders\"\n      volume  = \"data\""}},
	{name: "replica in a group without any", edits: []string{"  replica \"orders\" {\n    cluster = \"dr1\"\n    path    = \"replica/orders\"\n  }\n", "", `    ready "command" {`, "    disk \"vda\" {\n      replica = \"orders\"\n      volume  = \"root\"\n    }\n    ready \"command\" {"}},
	{name: "dangling network of a NIC", edits: []string{`production = "prod"`, `production = "prd"`}},
	{name: "isolated pool as a NIC's network", edits: []string{`production = "prod"`, `production = "iso"`}},
	{name: "dangling network of a template", edits: []string{`memory  = "4GiB"`, "memory  = \"4GiB\"\n  network = \"isolate\""}},

	// What does not go together.
	{name: "NIC on a standby network", edits: []string{`production = "prod"`, `production = "standby"`}},
	{name: "NIC on a network of another cluster", edits: []string{`production = "prod"`, `production = "far"`}},
	{name: "disk on a replica of another cluster", edits: []string{"cluster = \"dr1\"\n    path    = \"replica/payments\"", "cluster = \"dr2\"\n    path    = \"replica/payments\""}},
	{name: "template on a production network", edits: []string{`memory  = "4GiB"`, "memory  = \"4GiB\"\n  network = \"prod\""}},
	{name: "template on a network of another cluster", edits: []string{`memory  = "4GiB"`, "memory  = \"4GiB\"\n  network = \"standby\"", "template \"small\" {\n  cluster = \"dr1\"", "template \"small\" {\n  cluster = \"dr2\""}},
	{name: "template at a cluster without isolated networks", edits: []string{"template \"small\" {\n  cluster = \"dr1\"", "template \"small\" {\n  cluster = \"dr2\""}},
	{name: "copy at a cluster without isolated networks", edits: []string{"cluster = \"dr1\"\n    start   = 2", "cluster = \"dr2\"\n    start   = 2"}},
	{name: "notice as long as the longest lease", edits: []string{`max_lease = "72h"`, `max_lease = "10m"`}},

	// Types.
	{name: "number for a text", edits: []string{`owner    = "pay"`, `owner    = 7`}},
	{name: "text for a number", edits: []string{`priority = 2`, `priority = "2"`}},
	{name: "number for a duration", edits: []string{`rto      = "15m"`, `rto      = 15`}},
	{name: "number for a size", edits: []string{`memory  = "4GiB"`, `memory  = 4096`}},
	{name: "number for a percentage", edits: []string{`cpu_ratio = 2`, `floor_memory = 0.1`}},
	{name: "text for a list", edits: []string{`allow = ["team-pay"]`, `allow = "team-pay"`}},
	{name: "number in a list", edits: []string{`allow = ["team-pay"]`, `allow = ["team-pay", 7]`}},
	{name: "list for a text", edits: []string{`owner    = "pay"`, `owner    = ["pay"]`}},
	{name: "map for a text", edits: []string{`owner    = "pay"`, `owner    = { name = "pay" }`}},
	{name: "bool for a text", edits: []string{`owner    = "pay"`, `owner    = true`}},
	{name: "null for a text", edits: []string{`owner    = "pay"`, `owner    = null`}},
	{name: "number for a choice", edits: []string{"port_group = \"PG-STANDBY\"\n  role       = \"standby\"", "port_group = \"PG-STANDBY\"\n  role       = 2"}},
	{name: "number for user data", edits: []string{`memory  = "4GiB"`, "memory  = \"4GiB\"\n  user_data = 7"}},
	{name: "bare word", edits: []string{`owner    = "pay"`, `owner    = pay`}},
	{name: "bare word for a whole number", edits: []string{`priority = 2`, `priority = one`}},
	{name: "bare word for a number", edits: []string{`cpu_ratio = 2`, `cpu_ratio = two`}},
	{name: "bare word for a list", edits: []string{`allow = ["team-pay"]`, `allow = anyone`}},
	{name: "bare word in a list", edits: []string{`allow = ["team-pay"]`, `allow = [anyone]`}},
	{name: "bare word in a driver's block is not repeated", edits: []string{`password_file = "vc.password"`, `password = hunter2`}},
	{name: "null in a driver's block", edits: []string{`password_file = "vc.password"`, `password = null`}},
	{name: "reference to something", edits: []string{`owner    = "pay"`, `owner    = var.owner`}},
	{name: "computed number", edits: []string{`priority = 2`, `priority = 1 + 1`}},
	{name: "computed text", edits: []string{`owner    = "pay"`, `owner    = upper("pay")`}},
	{name: "template in a text", edits: []string{`owner    = "pay"`, `owner    = "team-${pay}"`}},
	{name: "template that is the whole text", edits: []string{`owner    = "pay"`, `owner    = "${pay}"`}},
	{name: "computed value in a list", edits: []string{`allow = ["team-pay"]`, `allow = ["a", b.c]`}},
	{name: "computed value in a map", edits: []string{`password_file = "vc.password"`, `m = { a = !true }`}},
	{name: "key twice in a map", edits: []string{`password_file = "vc.password"`, `m = { a = "1", "a" = "2" }`}},
	{name: "computed key in a map", edits: []string{`password_file = "vc.password"`, `m = { (a) = "1" }`}},
	{name: "key in a map that is no text", edits: []string{`password_file = "vc.password"`, `m = { 7 = "1" }`}},
	{name: "minus of a text", edits: []string{`priority = 2`, `priority = -"2"`}},

	// Values.
	{name: "bad duration", edits: []string{`rto      = "15m"`, `rto      = "15 minutes"`}},
	{name: "negative duration", edits: []string{`rto      = "15m"`, `rto      = "-15m"`}},
	{name: "zero duration", edits: []string{`max_lease = "72h"`, `max_lease = "0d"`}},
	{name: "endless duration", edits: []string{`max_lease = "72h"`, `max_lease = "9999d"`}},
	{name: "negative time to ready", edits: []string{`within  = "90s"`, `within  = "-90s"`}},
	{name: "negative retention of copies", edits: []string{`allow = ["team-pay"]`, "allow = [\"team-pay\"]\n    retention = \"-3d\""}},
	{name: "negative retention of a template", edits: []string{`memory  = "4GiB"`, "memory  = \"4GiB\"\n  retention = \"0s\""}},
	{name: "bad size", edits: []string{`memory  = "4GiB"`, `memory  = "4GB"`}},
	{name: "zero size", edits: []string{`memory  = "4GiB"`, `memory  = "0MiB"`}},
	{name: "negative size", edits: []string{`memory  = "4GiB"`, `memory  = "-4GiB"`}},
	{name: "half a MiB", edits: []string{`memory  = "4GiB"`, `memory  = "0.5MiB"`}},
	{name: "endless size", edits: []string{`memory  = "4GiB"`, `memory  = "65TiB"`}},
	{name: "percentage without a sign", edits: []string{`cpu_ratio = 2`, `floor_memory = "10"`}},
	{name: "percentage of everything", edits: []string{`cpu_ratio = 2`, `floor_storage = "100%"`}},
	{name: "negative percentage", edits: []string{`cpu_ratio = 2`, `floor_memory = "-1%"`}},
	{name: "zero ratio", edits: []string{`cpu_ratio = 2`, `cpu_ratio = 0`}},
	{name: "negative ratio", edits: []string{`cpu_ratio = 2`, `memory_ratio = -1`}},
	{name: "endless ratio", edits: []string{`cpu_ratio = 2`, `cpu_ratio = 1e999`}},
	{name: "text for a ratio", edits: []string{`cpu_ratio = 2`, `cpu_ratio = "2"`}},
	{name: "priority zero", edits: []string{`priority = 2`, `priority = 0`}},
	{name: "negative priority", edits: []string{`priority = 2`, `priority = -1`}},
	{name: "half a priority", edits: []string{`priority = 2`, `priority = 1.5`}},
	{name: "endless priority", edits: []string{`priority = 2`, `priority = 1e10`}},
	{name: "start zero", edits: []string{`start   = 2`, `start   = 0`}},
	{name: "no CPUs", edits: []string{`cpus    = 2`, `cpus    = 0`}},
	{name: "empty owner", edits: []string{`owner    = "pay"`, `owner    = ""`}},
	{name: "owner over two lines", edits: []string{`owner    = "pay"`, `owner    = "pay\nroll"`}},
	{name: "empty allow list", edits: []string{`allow = ["team-pay"]`, `allow = []`}},
	{name: "empty name in the allow list", edits: []string{`allow = ["team-pay"]`, `allow = ["team-pay", ""]`}},
	{name: "empty command", edits: []string{`["/usr/local/bin/check", "orders"]`, `[]`}},
	{name: "unknown role", edits: []string{"port_group = \"PG-STANDBY\"\n  role       = \"standby\"", "port_group = \"PG-STANDBY\"\n  role       = \"stand-by\""}},
	{name: "unknown kind of readiness", edits: []string{`ready "tcp" {`, `ready "https" {`}},
	{name: "unknown kind of trigger", edits: []string{`trigger "alertmanager"`, `trigger "zabbix"`}},
	{name: "trigger that promotes", edits: []string{`group_label = "failover_group"`, "group_label = \"failover_group\"\n  starts      = \"failover\""}},
	{name: "label that no alert has", edits: []string{`"failover_group"`, `"failover-group"`}},
	{name: "bad UUID", edits: []string{`"4c4c4544-0042-3510-8053-b4c04f4a4e32"`, `"4c4c4544"`}},
	{name: "URL that is not http", edits: []string{`"http://127.0.0.1:18101/healthz"`, `"ftp://127.0.0.1/healthz"`}},
	{name: "URL without a host", edits: []string{`"http://127.0.0.1:18101/healthz"`, `"http:///healthz"`}},
	{name: "URL that is none", edits: []string{`"http://127.0.0.1:18101/healthz"`, `"http://[::1/healthz"`}},
	{name: "URL with an account, which is not repeated", edits: []string{`"http://127.0.0.1:18101/healthz"`, `"http://root:hunter2@127.0.0.1/healthz"`}},
	{name: "address without a port", edits: []string{`"10.0.0.7:443"`, `"10.0.0.7"`}},
	{name: "address with port zero", edits: []string{`"10.0.0.7:443"`, `"10.0.0.7:0"`}},
	{name: "address with a port by name", edits: []string{`"10.0.0.7:443"`, `"10.0.0.7:https"`}},
	{name: "address without a host", edits: []string{`"10.0.0.7:443"`, `":443"`}},
	{name: "listen address without a port", edits: []string{`"127.0.0.1:7780"`, `"127.0.0.1"`}},
	{name: "listen on the network without a certificate", edits: []string{`"127.0.0.1:7780"`, `"10.0.0.7:7780"`}},
	{name: "certificate without its key", edits: []string{`"127.0.0.1:7780"`, "\"127.0.0.1:7780\"\n    certificate_file = \"am.token\""}},
	{name: "certificate that is not there", edits: []string{`"127.0.0.1:7780"`, "\"10.0.0.7:7780\"\n    certificate_file = \"no.pem\"\n    key_file = \"no.key\""}},
	{name: "API token without tcp", edits: []string{`    tcp  = "127.0.0.1:7780"`, `    token_file = "am.token"`}},
	{name: "API token that is not there", edits: []string{`"127.0.0.1:7780"`, "\"127.0.0.1:7780\"\n    token_file = \"no.token\""}},
	{name: "listen address with a port too high", edits: []string{`"127.0.0.1:7780"`, `"127.0.0.1:77800"`}},

	// The token.
	{name: "token file missing", edits: []string{`"am.token"`, `"nowhere/am.token"`}},
	{name: "token file that is a folder", edits: []string{`"am.token"`, `"."`}},
	{name: "token file that is not below a folder", edits: []string{`"am.token"`, `"vc.password/am.token"`}},
	{name: "token file empty", files: map[string]string{"am.token": "\n"}},
	{name: "token file with two lines", files: map[string]string{"am.token": "one\ntwo\n"}},
	{name: "token file with other bytes than text", files: map[string]string{"am.token": "\xff\xfe"}},
	{name: "token file too large", files: map[string]string{"am.token": strings.Repeat("x", largestFile+1)}},

	// The syntax.
	{name: "brace not closed", edits: []string{"token_file  = \"am.token\"\n  group_label = \"failover_group\"\n}", "token_file  = \"am.token\""}},
	{name: "attribute without a value", edits: []string{`owner    = "pay"`, `owner    =`}},
	{name: "quote not closed", edits: []string{`owner    = "pay"`, `owner    = "pay`}},
	{name: "brackets too deep", edits: []string{`owner    = "pay"`, `owner = ` + strings.Repeat("[", 200) + strings.Repeat("]", 200)}},
	{name: "operators too deep over lines", edits: []string{`owner    = "pay"`, `owner = (` + strings.Repeat("!\n", 200) + `true)`}},
	{name: "operators too deep between comments", edits: []string{`owner    = "pay"`, `owner = ` + strings.Repeat("!/**/", 200) + `true`}},
	{name: "operators too deep", edits: []string{`owner    = "pay"`, `owner = ` + strings.Repeat("!", 200) + `true`}},

	// More than one file.
	{name: "syntax errors of two files", edits: []string{`owner    = "pay"`, `owner    =`}, files: map[string]string{"two.hcl": "site = {\n"}},
	{name: "site in two files", files: map[string]string{"two.hcl": "site \"dr-west\" {\n  state_dir = \"west\"\n  listen {\n    unix = \"w.sock\"\n  }\n}\n"}},
	{name: "VM in groups of two files", files: map[string]string{"two.hcl": "protection_group \"third\" {\n  priority = 3\n  rto      = \"1h\"\n  rpo      = \"1h\"\n  owner    = \"x\"\n  vm \"ord-01\" {\n    cluster = \"dr1\"\n  }\n}\n"}},
	{name: "all mistakes at once", edits: []string{
		`rto      = "15m"`, `rto      = "soon"`, `production = "prod"`, `production = "prd"`, `cpus    = 2`, `cpu     = 2`, `"10.0.0.7:443"`, `"10.0.0.7"`,
	}, files: map[string]string{"two.hcl": "network \"prod\" {\n  cluster = \"dr9\"\n}\n"}},
}

// writeSite makes a folder with testdata/site.hcl, edited, and its secrets.
func writeSite(t testing.TB, edits []string, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	content, err := os.ReadFile("testdata/site.hcl")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for i := 0; i < len(edits); i += 2 {
		if strings.Count(text, edits[i]) != 1 {
			t.Fatalf("%q stands %d times in the file, want once", edits[i], strings.Count(text, edits[i]))
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	all := map[string]string{"site.hcl": text, "am.token": "t0ken\n", "vc.password": "hunter2\n"}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// complaints gives what Load says of a folder, without the folder's name.
func complaints(t testing.TB, folder string) string {
	t.Helper()
	loaded, err := Load(folder)
	var errs Errors
	if loaded != nil || !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("got %v and %v, want Errors", loaded, err)
	}
	for _, e := range errs {
		if e.File == "" || e.Summary == "" || e.Hint == "" || e.Line == 0 || e.Column == 0 {
			t.Errorf("the error has no place, summary or hint: %#v", e)
		}
	}
	said := strings.ReplaceAll(err.Error(), folder+string(filepath.Separator), "")
	return strings.ReplaceAll(said, folder, ".")
}

func TestWrongSites(t *testing.T) {
	var all strings.Builder
	for _, w := range wrongs {
		t.Run(w.name, func(t *testing.T) {
			said := complaints(t, writeSite(t, w.edits, w.files))
			if strings.Contains(said, "hunter2") {
				t.Errorf("a secret is in the error: %s", said)
			}
			fmt.Fprintf(&all, "# %s\n%s\n\n", w.name, said)
		})
	}
	golden(t, "testdata/wrong.golden", all.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s differs from line %d on: got %q; run the test with -update and read the change", file, i+1, line)
		}
	}
	t.Fatalf("%s has more lines than were got", file)
}
