package kvmsite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
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
	if err := s.claim(); err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		s.say("taking down what was begun")
		return nil, errors.Join(err, s.Down(context.WithoutCancel(ctx)))
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
func (s *Site) claim() error {
	if _, err := readRecord(s.dir); err == nil {
		s.say("taking down what is left of the site that was in %s", s.dir)
		if err := s.Down(context.Background()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("make the site's folder: %w", err)
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

// build makes everything, in the order in which one thing needs another.
func (s *Site) build(ctx context.Context) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"kernel and initramfs of the guests", s.buildKernel},
		{"networks", s.buildNetworks},
		{"hosts", s.buildHosts},
	} {
		began := time.Now()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("bring up %s: %w", step.what, err)
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("bring up %s: %w", step.what, err)
		}
		s.say("%s (%.1fs)", step.what, time.Since(began).Seconds())
	}
	return s.writeRecord(true)
}

func (s *Site) buildKernel(ctx context.Context) (err error) {
	s.kernel, err = prepareKernel(ctx)
	return err
}

func (s *Site) buildNetworks(ctx context.Context) error {
	for _, n := range networks {
		n.site = s
		if err := n.up(ctx); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

func (s *Site) buildHosts(ctx context.Context) error {
	for _, d := range []string{"console", "volumes", "replicas", "templates"} {
		if err := os.MkdirAll(s.path(d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.path("host-init"), []byte(hostInit), 0o755); err != nil {
		return err
	}
	return each(s.Hosts(), func(h Host) error {
		if err := h.PowerUp(ctx); err != nil {
			return err
		}
		return errors.Join(h.define(ctx, "pool", s.pools()), h.define(ctx, "net", libvirtNetworks))
	})
}

// each does something for all hosts at once.
func each(hosts []Host, do func(Host) error) error {
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Go(func() { errs[i] = do(h) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// libvirtNetworks are defined on every host, over the bridges.
var libvirtNetworks = map[string]string{
	"prod": `<network><name>prod</name><forward mode='bridge'/><bridge name='br-prod'/>
<portgroup name='app' default='yes'/><portgroup name='db'/></network>`,
	"iso-net-1": `<network><name>iso-net-1</name><forward mode='bridge'/><bridge name='iso-1'/></network>`,
}

// pools are defined on every host, with the same paths.
func (s *Site) pools() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"volumes", "replicas", "templates"} {
		all[name] = fmt.Sprintf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>", name, escape(s.path(name)))
	}
	return all
}

// Down ends every process of the site, and with them its guests, namespaces and mounts, and
// removes what it made in its folder. It may be called twice, and after an Up that was killed.
func (s *Site) Down(ctx context.Context) error {
	for {
		list, err := processes(s.dir)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		slices.SortStableFunc(list, func(a, b process) int { return btoi(b.isInit) - btoi(a.isInit) })
		if err := end(ctx, list); err != nil {
			return fmt.Errorf("take down the site in %s: %w", s.dir, err)
		}
	}
	if _, err := os.Stat(s.path(recordFile)); err != nil {
		return nil // no site was here
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the site's folder: %w", err)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Down takes down the site in a folder, also one that is only half there.
func Down(ctx context.Context, dir string) error {
	s, err := newSite(Options{Dir: dir})
	if err != nil {
		return err
	}
	return s.Down(ctx)
}
