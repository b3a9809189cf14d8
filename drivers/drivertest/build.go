package drivertest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Build builds the main package of a driver, given as for go build, writes its checksum
// beside it, and gives the path of the binary. It is deleted with the test.
func Build(t testing.TB, mainPackage string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(mainPackage))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, mainPackage).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", mainPackage, err, out)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), filepath.Base(binary))
	if err := os.WriteFile(binary+".sha256", []byte(sum), 0o600); err != nil {
		t.Fatal(err)
	}
	return binary
}
