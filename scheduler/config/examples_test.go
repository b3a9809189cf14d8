package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

const examples = "../../configs/"

func readExample(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(examples + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// loadExample loads the example in a folder that has the secrets beside it.
func loadExample(t testing.TB) *Loaded {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"site.hcl": readExample(t, "site.hcl"), "am.token": "t0ken\n", "vc.password": "hunter2\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return mustLoad(t, filepath.Join(folder, "site.hcl"))
}

func TestTheExampleLoads(t *testing.T) {
	loaded := loadExample(t)
	site := loaded.Site
	if site.Name != "dr-east" || len(site.Groups) != 3 || len(site.Template) != 2 || len(site.IsolatedAt("dr1")) != 4 || len(site.Triggers) != 1 {
		t.Errorf("got %+v", site)
	}
	if !site.Group("payments").AllowsCopyBy("team-pay") || site.Group("payments").AllowsCopyBy("shop") || !site.Group("orders").AllowsCopyBy("shop") || site.Group("reports").AllowsCopyBy("bi") {
		t.Error("the example does not allow the copies that it says")
	}
	if got := site.TemplateNamed("ubuntu-small").UserData; got != "#cloud-config\npackage_update: false\n" {
		t.Errorf("user_data: got %q", got)
	}
	body, err := loaded.DriverBody("dr1", []drivers.Attribute{
		{Name: "url", Type: "string"}, {Name: "username", Type: "string"}, {Name: "password_file", Type: "file", Secret: true}, {Name: "datacenter", Type: "string"},
		{Name: "compute", Type: "string"}, {Name: "folder", Type: "string"}, {Name: "volumes_datastore", Type: "string"},
	})
	if err != nil || !strings.Contains(string(body), `"password_file":"hunter2\n"`) {
		t.Errorf("driver body: got %s and %v", body, err)
	}
}

func TestTheExamplesFitTogether(t *testing.T) {
	site := loadExample(t).Site
	receiver := readExample(t, "alertmanager.yml")
	for _, want := range []string{
		"url: http://" + site.Listen.TCP + "/v1/triggers/" + site.Triggers[0].Kind + "\n",
		"send_resolved: true", "type: Bearer", "credentials_file: ", site.Triggers[0].GroupLabel + " =~",
	} {
		if !strings.Contains(receiver, want) {
			t.Errorf("alertmanager.yml does not say %q", want)
		}
	}
	unit := readExample(t, "hotspare.service")
	for _, want := range []string{
		"Restart=always", "StateDirectory=" + filepath.Base(site.StateDir), "RuntimeDirectory=" + filepath.Base(filepath.Dir(site.Listen.Unix)),
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("hotspare.service does not say %q", want)
		}
	}
	if site.Triggers[0].Starts != scheduler.Reclaim {
		t.Error("the example lets an alert start more than a reclaim")
	}
	list := readExample(t, "README.md")
	files, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != "README.md" && !strings.Contains(list, "`"+f.Name()+"`") {
			t.Errorf("configs/README.md does not say what %s is", f.Name())
		}
	}
}
