package drivertest

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
)

// attributeRow is a row of a README's table of attributes: name, required, meaning.
var attributeRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (yes|) *\\| .+ \\|$")

// Documented fails where the table of attributes in a driver's README is not of the
// attributes that the driver's schema lists, in its order, with those marked that must be
// given.
func Documented(t *testing.T, readme string, schema []drivers.Attribute) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	type attribute struct {
		Name     string
		Required bool
	}
	var told, known []attribute
	for _, row := range attributeRow.FindAllStringSubmatch(string(text), -1) {
		told = append(told, attribute{row[1], row[2] == "yes"})
	}
	for _, a := range schema {
		known = append(known, attribute{a.Name, a.Required})
	}
	if diff := cmp.Diff(known, told); diff != "" {
		t.Errorf("%s does not tell the attributes as they are (- schema, + %s):\n%s", readme, readme, diff)
	}
}
