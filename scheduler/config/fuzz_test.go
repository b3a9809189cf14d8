package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

// FuzzLoad holds that any content gives a site or errors with a place, and no panic; and
// that a site that loads gives bodies for its drivers, or errors.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"testdata/site.hcl", examples + "site.hcl"} {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, seed := range []string{
		"", "site", "site {}", "site \"a\" \"b\" {}", "a = ", "a = [[[[", "a = \"${", "a = <<E\n", "a = <<E\n${b}\nE\n", "\xff\xfe", "\x00", "{", "}",
		"cluster \"a\" {\n config {\n a = -1\n b = [1, null]\n c = { a = { b = 1e99999 } }\n }\n}", "ready \"http\" {}", "trigger \"alertmanager\" {}",
		"a = (1)", "a = - - 1", "a = { (\"b\") = 1 }", "a = [for b in [1] : b]", "a = 1 ? 2 : 3", "a = b[*].c", "site \"${a}\" {}", "a = 1 / 0", "# only a comment",
	} {
		f.Add([]byte(seed))
	}
	folder := f.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "am.token"), []byte("t0ken\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	schema := []drivers.Attribute{
		{Name: "a", Type: "string"}, {Name: "b", Type: "list(string)"}, {Name: "c", Type: "map(string)"}, {Name: "url", Type: "duration"},
		{Name: "password_file", Type: "file"}, {Name: "folder", Type: "number"}, {Name: "compute", Type: "bool"},
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		loaded, errs := load([]source{{"site.hcl", folder, content}})
		if err := errs.orNil(); err != nil {
			havePlaces(t, err)
		} else if loaded.Site.Name == "" || len(loaded.Site.Clusters) == 0 {
			t.Fatalf("a site without a name or a cluster: %+v", loaded.Site)
		}
		if loaded == nil {
			return
		}
		for _, c := range loaded.Site.Clusters {
			if !json.Valid(c.Config) && len(errs) == 0 {
				t.Fatalf("the config of %s is no JSON: %s", c.Name, c.Config)
			}
			if body, err := loaded.DriverBody(c.Name, schema); err != nil {
				havePlaces(t, err)
			} else if !json.Valid(body) {
				t.Fatalf("the body of %s is no JSON: %s", c.Name, body)
			}
		}
	})
}

func havePlaces(t *testing.T, err error) {
	t.Helper()
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("got %v, want Errors", err)
	}
	for _, e := range errs {
		if e.File == "" || e.Line < 1 || e.Column < 1 || e.Summary == "" {
			t.Fatalf("an error has no place or says nothing: %#v", e)
		}
	}
}
