package vsphere

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers/drivertest"
)

func TestTheReadmeTellsTheAttributes(t *testing.T) {
	drivertest.Documented(t, "README.md", schema)
}

// The command of the README gives the thumbprint in a form that the driver takes.
func TestTheReadmesCommandGivesTheThumbprint(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("there is no openssl here")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := string(regexp.MustCompile(`(?m)^ {4}openssl .*$`).Find(text))
	o := newOwn(t, nil)
	command = strings.Replace(command, "vcenter.example:443", o.server.URL.Host, 1)
	out, err := exec.Command("sh", "-c", command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	_, printed, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	got, err := parseThumbprint(printed)
	want, wantErr := parseThumbprint(o.thumbprint())
	if err != nil || wantErr != nil || string(got) != string(want) {
		t.Errorf("%s gives %q, %v; the certificate's is %s", command, out, err, o.thumbprint())
	}
}
