package kvmsite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// Server is one storage server, in the storage network, which every host reaches.
type Server struct {
	site *Site
	role string
	argv []string
}

// Start starts the server where it does not run, and waits until it answers.
func (v Server) Start(ctx context.Context) error {
	if p, err := v.process(); err != nil || p != nil {
		return err
	}
	n, err := v.site.Network(storageNetwork)
	if err != nil {
		return err
	}
	pid, err := n.pid()
	if err != nil {
		return err
	}
	argv := append([]string{"nsenter", "-t", strconv.Itoa(pid), "-n"}, v.argv...)
	_, err = v.site.start(v.role, 0, v.site.path("rig.log"), argv...)
	return err
}

// Stop kills the server, as a crash would. Guests on it get I/O errors.
func (v Server) Stop(ctx context.Context) error {
	p, err := v.process()
	if err != nil || p == nil {
		return err
	}
	return end(ctx, []process{*p})
}

// Freeze makes the server answer nobody, with its connections kept. Guests on it wait.
func (v Server) Freeze() error { return v.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (v Server) Thaw() error { return v.signal(syscall.SIGCONT) }

func (v Server) process() (*process, error) {
	list, err := processes(v.site.dir)
	return leader(list, v.role), err
}

func (v Server) signal(sig syscall.Signal) error {
	p, err := v.process()
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("signal the %s server: it does not run: Start it first", v.role)
	}
	return syscall.Kill(p.pid, sig)
}

// NBD is a server that exports every file in a folder.
type NBD struct{ Server }

const nbdPort = 10809

// NBD gives the site's NBD server. It exports one disk from the beginning, "spare".
func (s *Site) NBD() NBD {
	// In the foreground (-f) nbdkit ends with whoever started it.
	return NBD{Server{s, "nbd", []string{"nbdkit", "-i", storageAddress, "-p", strconv.Itoa(nbdPort), "file", "dir=" + s.path("nbd")}}}
}

// Add makes a new raw disk and exports it under its name.
func (v NBD) Add(ctx context.Context, name, marker, settings string) error {
	return MakeDisk(ctx, v.site.path("nbd", name), "raw", marker, settings)
}

// URI of an export, as the hosts reach it.
func (v NBD) URI(name string) string {
	return fmt.Sprintf("nbd://%s:%d/%s", storageAddress, nbdPort, name)
}

// Source is a domain's <source> element for an export.
func (v NBD) Source(name string) string {
	return fmt.Sprintf("<source protocol='nbd' name='%s'><host name='%s' port='%d'/></source>", escape(name), storageAddress, nbdPort)
}

// Start starts the server where it does not run, and waits until it answers.
func (v NBD) Start(ctx context.Context) error {
	if err := v.Server.Start(ctx); err != nil {
		return err
	}
	return v.answers(ctx, func(ctx context.Context) error {
		_, err := v.site.Hosts()[0].Run(ctx, "qemu-img", "info", v.URI("spare"))
		return err
	})
}

// answers waits until a question to the server is answered.
func (v Server) answers(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var last error
	err := poll(ctx, "the "+v.role+" server answers", func() (bool, error) {
		last = ask(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w: read %s", err, last, v.site.path("rig.log"))
	}
	return nil
}

// ISCSI is an iSCSI target server; each of its targets has one LUN, 1.
type ISCSI struct{ Server }

const (
	iscsiPort   = 3260
	iscsiPrefix = "iqn.2026-01.io.hotspare:"
)

// ISCSI gives the site's iSCSI server. It has one target from the beginning, "spare".
func (s *Site) ISCSI() ISCSI {
	return ISCSI{Server{s, "iscsi", []string{"env", "TGT_IPC_SOCKET=" + s.path("tgtd"), "tgtd", "-f", "--iscsi", fmt.Sprintf("portal=%s:%d", storageAddress, iscsiPort)}}}
}

// Target is the name of a disk's target.
func (v ISCSI) Target(name string) string { return iscsiPrefix + name }

// URI of a disk, as the hosts reach it.
func (v ISCSI) URI(name string) string {
	return fmt.Sprintf("iscsi://%s:%d/%s/1", storageAddress, iscsiPort, v.Target(name))
}

// Source is a domain's <source> element for a disk.
func (v ISCSI) Source(name string) string {
	return fmt.Sprintf("<source protocol='iscsi' name='%s/1'><host name='%s' port='%d'/></source>", escape(v.Target(name)), storageAddress, iscsiPort)
}

// Add makes a new raw disk and a target for it.
func (v ISCSI) Add(ctx context.Context, name, marker, settings string) error {
	if err := MakeDisk(ctx, v.site.path("iscsi", name), "raw", marker, settings); err != nil {
		return err
	}
	disks, err := os.ReadDir(v.site.path("iscsi"))
	if err != nil {
		return err
	}
	return v.publish(ctx, len(disks), name)
}

// publish makes a disk a target of this number.
func (v ISCSI) publish(ctx context.Context, number int, name string) error {
	id := strconv.Itoa(number)
	for _, args := range [][]string{
		{"--op", "new", "--mode", "target", "--tid", id, "-T", v.Target(name)},
		{"--op", "new", "--mode", "logicalunit", "--tid", id, "--lun", "1", "-b", v.site.path("iscsi", name)},
		{"--op", "bind", "--mode", "target", "--tid", id, "-I", "ALL"},
	} {
		if _, err := v.admin(ctx, args...); err != nil {
			return fmt.Errorf("make iSCSI target %s: %w", name, err)
		}
	}
	return nil
}

func (v ISCSI) admin(ctx context.Context, args ...string) (string, error) {
	argv := append([]string{"TGT_IPC_SOCKET=" + v.site.path("tgtd"), "tgtadm", "--lld", "iscsi"}, args...)
	return run(ctx, "env", argv...)
}

// Offline makes a disk answer "not ready", or ready again.
func (v ISCSI) Offline(ctx context.Context, name string, offline bool) error {
	list, err := v.admin(ctx, "--op", "show", "--mode", "target")
	if err != nil {
		return err
	}
	id := regexp.MustCompile(`(?m)^Target (\d+): ` + regexp.QuoteMeta(v.Target(name)) + `$`).FindStringSubmatch(list)
	if id == nil {
		return fmt.Errorf("take iSCSI disk %s offline: there is no such target: Add it first", name)
	}
	online := "1"
	if offline {
		online = "0"
	}
	_, err = v.admin(ctx, "--op", "update", "--mode", "logicalunit", "--tid", id[1], "--lun", "1", "--params", "online="+online)
	return err
}

// Start starts the server where it does not run, with a target for each disk.
func (v ISCSI) Start(ctx context.Context) error {
	if p, err := v.process(); err != nil || p != nil {
		return err
	}
	if err := v.Server.Start(ctx); err != nil {
		return err
	}
	err := v.answers(ctx, func(ctx context.Context) error {
		_, err := v.admin(ctx, "--op", "show", "--mode", "system")
		return err
	})
	if err != nil {
		return err
	}
	disks, err := os.ReadDir(v.site.path("iscsi"))
	if err != nil {
		return err
	}
	for i, disk := range disks {
		if err := v.publish(ctx, i+1, disk.Name()); err != nil {
			return err
		}
	}
	return nil
}

// buildStorage starts both servers with a disk each.
func (s *Site) buildStorage(ctx context.Context) error {
	for folder, marker := range map[string]string{"nbd": "spare@nbd", "iscsi": "spare@iscsi"} {
		if err := MakeDisk(ctx, filepath.Join(s.path(folder), "spare"), "raw", marker, ""); err != nil {
			return err
		}
	}
	if err := s.NBD().Start(ctx); err != nil {
		return err
	}
	return s.ISCSI().Start(ctx)
}
