package kvmsite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options say how to make a site.
type Options struct {
	// Dir is the site's folder: not there yet, or empty, or that of a site. At most 60 letters,
	// since sockets are in it.
	Dir string
	// Hosts is how many libvirt hosts there are; 3 where it is 0, at most 9.
	Hosts int
	// Log gets a line for each thing done; may be nil.
	Log io.Writer
}

// Site is a site that is up.
type Site struct {
	dir    string
	hosts  int
	kernel kernel
	log    io.Writer
	began  time.Time
}

// record is what Open needs to know of a site.
type record struct {
	Hosts  int    `json:"hosts"`
	Image  string `json:"image"`
	Initrd string `json:"initrd"`
	Accel  string `json:"accel"`
	Up     bool   `json:"up"` // written last: false is a site that was cut off while it came up
}

const (
	recordFile     = "kvmsite.json"
	productionHost = "prod-1"
)

func (s *Site) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// Dir is the site's folder.
func (s *Site) Dir() string { return s.dir }

// Hosts lists the libvirt hosts: kvm-1, kvm-2, and so on.
func (s *Site) Hosts() []Host {
	var list []Host
	for i := 1; i <= s.hosts; i++ {
		list = append(list, Host{site: s, number: i, Name: fmt.Sprintf("kvm-%d", i)})
	}
	return list
}

// Up makes a site, or finds the one that is up in the folder. What it began and could not end,
// or was not let end, it takes down. It needs some seconds.
func Up(ctx context.Context, o Options) (*Site, error) {
	s, err := newSite(o)
	if err != nil {
		return nil, err
	}
	if up, err := Open(s.dir); err == nil {
		up.log = s.log
		up.say("the site in %s is up already", s.dir)
		return up, nil
	}
	if err := Usable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the site's folder: %w", err)
	}
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.claim(ctx); err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		s.say("taking down what was begun")
		err = errors.Join(err, s.clear(context.WithoutCancel(ctx)))
		_ = os.Remove(s.dir)
		return nil, err
	}
	return s, nil
}

func newSite(o Options) (*Site, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, fmt.Errorf("make a site: %q is no folder: name one", o.Dir)
	}
	if len(dir) > 60 {
		return nil, fmt.Errorf("make a site in %s: a socket's path would be too long: choose a folder with at most 60 letters", dir)
	}
	if o.Hosts == 0 {
		o.Hosts = 3
	}
	if o.Hosts < 1 || o.Hosts > 9 {
		return nil, fmt.Errorf("make a site of %d hosts: choose 1 to 9", o.Hosts)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return &Site{dir: dir, hosts: o.Hosts, log: o.Log, began: time.Now()}, nil
}

// Open finds the site that is up in a folder.
func Open(dir string) (*Site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the site: %w", err)
	}
	r, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	s := &Site{dir: dir, hosts: r.Hosts, log: io.Discard, began: time.Now(), kernel: kernel{r.Image, r.Initrd, r.Accel}}
	list, err := processes(dir)
	if err != nil {
		return nil, err
	}
	if !r.Up || leader(list, "net-prod") == nil {
		return nil, fmt.Errorf("the site in %s is not up: run down, then up", dir)
	}
	return s, nil
}

func readRecord(dir string) (record, error) {
	var r record
	content, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, fmt.Errorf("no site in %s: bring one up: %w", dir, err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("read %s: %w: run down, then up", filepath.Join(dir, recordFile), err)
	}
	return r, nil
}

func (s *Site) writeRecord(up bool) error {
	content, err := json.MarshalIndent(record{s.hosts, s.kernel.image, s.kernel.initrd, s.kernel.accel, up}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(recordFile), append(content, '\n'), 0o644)
}

// claim makes the folder ours: an empty one, or one where a site was and is no more.
func (s *Site) claim(ctx context.Context) error {
	if _, err := readRecord(s.dir); err == nil {
		s.say("taking down what is left of the site that was in %s", s.dir)
		if err := s.clear(ctx); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read the site's folder: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("make a site in %s: the folder holds other things: choose an empty one", s.dir)
	}
	return s.writeRecord(false)
}

// say logs one line with the time since the beginning.
func (s *Site) say(format string, args ...any) {
	fmt.Fprintf(s.log, "%5.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// Down ends every process of the site, and with them its guests, namespaces and mounts, and
// removes its folder. It may be called twice.
func (s *Site) Down(ctx context.Context) error {
	unlock, err := s.lock()
	if errors.Is(err, fs.ErrNotExist) {
		return s.clear(ctx) // somebody removed the folder
	}
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.clear(ctx); err != nil {
		return err
	}
	_ = os.Remove(s.dir) // stays where it holds other things
	s.say("nothing of the site in %s is left", s.dir)
	return nil
}

// Down takes down the site in a folder, also one whose Up was killed. Where none is, it does
// nothing. The log gets a line of what was done; it may be nil.
func Down(ctx context.Context, dir string, log io.Writer) error {
	s, err := newSite(Options{Dir: dir, Log: log})
	if err != nil {
		return err
	}
	return s.Down(ctx)
}

// clear does what Down promises, under the lock. A folder that holds no site's record is kept.
func (s *Site) clear(ctx context.Context) error {
	for {
		list, err := processes(s.dir)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		if err := end(ctx, list); err != nil {
			return fmt.Errorf("take down the site in %s: %w", s.dir, err)
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || !exists(s.path(recordFile)) {
		return nil // none was here
	}
	// The record goes last: one that was cut off can be run again.
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return btoi(a.Name() == recordFile) - btoi(b.Name() == recordFile) })
	for _, e := range entries {
		if err := os.RemoveAll(s.path(e.Name())); err != nil {
			return fmt.Errorf("remove the site's folder: %w", err)
		}
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
