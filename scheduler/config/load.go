package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/hotspare/hotspare/scheduler"
)

// Loaded is a site and where in its files it comes from. It is not changed after it was
// loaded, and may be used from many goroutines at once.
type Loaded struct {
	// Site is the site. Each cluster's Config is its config block as it was written:
	// what goes to the driver is [Loaded.DriverBody].
	Site *scheduler.Site

	clusters map[string]*object
}

// configOf gives a cluster's config block; the cluster's own where it has none.
func (l *Loaded) configOf(cluster string) (*object, bool) {
	o, ok := l.clusters[cluster]
	if ok && len(o.blocks["config"]) > 0 {
		o = o.blocks["config"][0]
	}
	return o, ok
}

// Load reads a site from a file, or from all *.hcl files of a folder together. The error
// is of type [Errors], and holds every mistake that was found.
func Load(path string) (*Loaded, error) {
	sources, err := open(path)
	if err != nil {
		return nil, err
	}
	loaded, errs := load(sources)
	if err := errs.orNil(); err != nil {
		return nil, err
	}
	return loaded, nil
}

// open reads the files, in the order of their names.
func open(path string) ([]source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, Errors{fileError(path, err)}
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = filesOf(path); err != nil {
			return nil, Errors{fileError(path, err)}
		}
		if len(names) == 0 {
			return nil, Errors{{File: path, Summary: "the folder has no file that ends in .hcl", Hint: "name a file, or a folder with the files of the site"}}
		}
	}
	var sources []source
	var errs Errors
	for _, name := range names {
		s, err := readSource(name)
		if err != nil {
			errs = append(errs, fileError(name, err))
			continue
		}
		sources = append(sources, s)
	}
	return sources, errs.orNil()
}

// filesOf lists the files of a folder that are the site's, sorted. Hidden ones are left
// out: editors keep theirs there.
func filesOf(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".hcl") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	return names, nil
}

func readSource(name string) (source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return source{}, err
	}
	if !info.Mode().IsRegular() {
		return source{}, errors.New("it is no regular file")
	}
	folder, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return source{}, err
	}
	content, err := os.ReadFile(name)
	return source{name, folder, content}, err
}

func fileError(path string, err error) Error {
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return Error{File: path, Summary: fmt.Sprintf("cannot be read: %v", err), Hint: "name a file, or a folder with the files of the site"}
}

// load reads all files of a site together, with whatever is wrong in them. Nothing is loaded
// where a file cannot be judged.
func load(sources []source) (loaded *Loaded, errs Errors) {
	r := reader{errs: &errs}
	root := &object{kind: fileBlock, values: map[string]value{}, blocks: map[string][]*object{}}
	root.at = hcl.Range{Filename: sources[0].path, Start: hcl.InitialPos, End: hcl.InitialPos}
	whole := true
	for _, s := range sources {
		body := parse(s, &errs)
		if body == nil {
			whole = false
			continue
		}
		r.folder = s.folder
		r.fill(root, body)
	}
	if !whole {
		// What else is missing or dangling may stand in the part that cannot be read.
		return nil, errs
	}
	r.finish(root)
	b := builder{root: root, errs: &errs, loaded: &Loaded{clusters: map[string]*object{}}}
	b.build()
	return b.loaded, errs
}
