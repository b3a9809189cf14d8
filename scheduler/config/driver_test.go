package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

var driverSchema = []drivers.Attribute{
	{Name: "url", Type: "string", Required: true, Help: "where it is"},
	{Name: "password_file", Type: "file", Required: true, Secret: true, Help: "file of the password"},
	{Name: "ca_file", Type: "file", Help: "file of the certificates"},
	{Name: "hosts", Type: "number", Help: "how many"},
	{Name: "verify", Type: "bool", Help: "whether to verify"},
	{Name: "timeout", Type: "duration", Help: "how long"},
	{Name: "pin", Type: "duration", Secret: true, Help: "a secret duration"},
	{Name: "uris", Type: "list(string)", Help: "where they are"},
	{Name: "labels", Type: "map(string)", Help: "what they are called"},
	{Name: "later", Type: "set(number)", Help: "of a later version"},
}

// loadDriver loads the test site with other lines in the config block of dr1.
func loadDriver(t *testing.T, lines string, files map[string]string) (*Loaded, string) {
	t.Helper()
	folder := writeSite(t, []string{`    password_file = "vc.password"`, lines}, files)
	return mustLoad(t, folder), folder
}

func TestDriverBody(t *testing.T) {
	loaded, _ := loadDriver(t, `
    url           = "https://vc/sdk"
    password_file = "vc.password"
    ca_file       = "ca.pem"
    hosts         = 3
    verify        = true
    timeout       = "1d"
    uris          = ["a", "b"]
    labels        = { site = "dr", "of who" = "pay" }`, map[string]string{"ca.pem": "PEM\n"})
	body, err := loaded.DriverBody("dr1", driverSchema)
	want := `{"ca_file":"PEM\n","hosts":3,"labels":{"of who":"pay","site":"dr"},"password_file":"hunter2\n","timeout":"24h0m0s","uris":["a","b"],"url":"https://vc/sdk","verify":true}`
	if err != nil || string(body) != want {
		t.Errorf("got %s and %v, want %s", body, err, want)
	}
}

func TestDriverBodyOfAClusterWithoutABlock(t *testing.T) {
	loaded, folder := loadDriver(t, "", nil)
	if body, err := loaded.DriverBody("dr2", nil); err != nil || string(body) != "{}" {
		t.Errorf("nothing required: got %s and %v", body, err)
	}
	_, err := loaded.DriverBody("dr2", driverSchema[:1])
	want := folder + "/site.hcl:19:1: cluster \"dr2\": url is missing\n\twrite url = …: where it is"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := loaded.DriverBody("dr3", nil); err == nil {
		t.Error("a cluster that does not exist has a body")
	}
}

func TestWrongDriverBlocks(t *testing.T) {
	var all strings.Builder
	for _, w := range []struct {
		name, lines string
		files       map[string]string
	}{
		{"unknown attribute", `ulr = "x"`, nil},
		{"wrong types", "url = 7\n password_file = true\n ca_file = []\n hosts = \"3\"\n verify = \"true\"\n timeout = 3\n uris = \"a\"\n labels = [\"a\"]", nil},
		{"wrong types inside", "url = \"x\"\n password_file = \"vc.password\"\n uris = [1]\n labels = { a = {} }", nil},
		{"empty values", "url = \"\"\n password_file = \"\"\n ca_file = \"\"", nil},
		{"bad durations, the secret one not repeated", "url = \"x\"\n password_file = \"vc.password\"\n timeout = \"soon\"\n pin = \"hunter2\"", nil},
		{"a type of a later version", "url = \"x\"\n password_file = \"vc.password\"\n later = [1]", nil},
		{"files that cannot be used", "url = \"x\"\n password_file = \"nowhere\"\n ca_file = \"empty\"", map[string]string{"empty": ""}},
	} {
		loaded, folder := loadDriver(t, w.lines, w.files)
		body, err := loaded.DriverBody("dr1", driverSchema)
		var errs Errors
		if body != nil || !errors.As(err, &errs) {
			t.Fatalf("%s: got %s and %v, want Errors", w.name, body, err)
		}
		all.WriteString("# " + w.name + "\n" + strings.ReplaceAll(err.Error(), folder+"/", "") + "\n\n")
	}
	if strings.Contains(all.String(), "hunter2") {
		t.Error("a secret is in an error")
	}
	golden(t, "testdata/driver.golden", all.String())
}

func TestTheFileOfADriversSecretIsTheOwnersAlone(t *testing.T) {
	loaded, folder := loadDriver(t, "url = \"x\"\n password_file = \"vc.password\"\n ca_file = \"ca.pem\"", map[string]string{"ca.pem": "PEM"})
	for name, right := range map[string]bool{"ca.pem": true, "vc.password": false} {
		if err := os.Chmod(filepath.Join(folder, name), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := loaded.DriverBody("dr1", driverSchema)
		if right != (err == nil) {
			t.Errorf("%s may be read by all: got %v", name, err)
		}
		if err := os.Chmod(filepath.Join(folder, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnErrorOfADriverGetsItsPlace(t *testing.T) {
	loaded, folder := loadDriver(t, `    password_file = "vc.password"`, nil)
	invalid := &drivers.Error{Kind: drivers.Invalid, Op: "configure", Cause: errors.New("is too short"), Next: "take a longer one", Attribute: "password_file"}
	whole := &drivers.Error{Kind: drivers.Invalid, Op: "configure", Cause: errors.New("does not fit the site")}
	unavailable := &drivers.Error{Kind: drivers.Unavailable, Op: "log in", Cause: errors.New("no answer")}
	for _, c := range []struct {
		cluster string
		err     error
		want    string
	}{
		{"dr1", invalid, "site.hcl:12:5: cluster \"dr1\", config: password_file: is too short\n\ttake a longer one"},
		{"dr2", invalid, "site.hcl:19:1: cluster \"dr2\": password_file: is too short\n\ttake a longer one"},
		{"dr1", whole, "site.hcl:11:3: cluster \"dr1\", config: does not fit the site"},
		{"dr1", unavailable, "log in: no answer"},
		{"dr3", invalid, "configure: is too short; take a longer one"},
	} {
		if got := strings.ReplaceAll(loaded.Placed(c.cluster, c.err).Error(), folder+"/", ""); got != c.want {
			t.Errorf("%s: got %q, want %q", c.cluster, got, c.want)
		}
	}
	if err := loaded.Placed("dr1", nil); err != nil {
		t.Errorf("nil: got %v", err)
	}
}
