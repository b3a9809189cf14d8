package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// kvmPlace is the recovery site of the KVM rig.
type kvmPlace struct {
	dir string // of the site's file and the server's state
	rig *kvmsite.Site
}

// raise brings the rig up, and writes the site's file.
func raise(ctx context.Context, dir string, out io.Writer) (*kvmPlace, error) {
	rig, err := kvmsite.Up(ctx, kvmsite.Options{Dir: filepath.Join(dir, "rig"), Log: out})
	if err != nil {
		return nil, err
	}
	k := &kvmPlace{dir: filepath.Join(dir, "site"), rig: rig}
	if err := rig.WriteConfiguration(k.dir); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *kvmPlace) serverArgs() []string {
	return []string{"--config", filepath.Join(k.dir, kvmsite.ConfigurationFile)}
}

func (k *kvmPlace) dumpedBy() string { return "virsh dumpxml and checksums" }

func (k *kvmPlace) close() error { return k.rig.Down(context.Background()) }

// dump lists every domain of every host with its XML and state, and every file of the replicas,
// templates and volumes; the replicas' and templates' with their checksums.
func (k *kvmPlace) dump(ctx context.Context) (string, error) {
	var lines []string
	for _, h := range k.rig.Hosts() {
		domains, err := h.Virsh(ctx, "list", "--all", "--name")
		if err != nil {
			return "", err
		}
		for _, name := range strings.Fields(domains) {
			found, err := dumpDomain(ctx, h, name)
			if err != nil {
				return "", err
			}
			lines = append(lines, found...)
		}
	}
	for _, pool := range []string{"replicas", "templates", "volumes"} {
		found, err := k.dumpFiles(pool)
		if err != nil {
			return "", err
		}
		lines = append(lines, found...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n", nil
}

func dumpDomain(ctx context.Context, h kvmsite.Host, name string) ([]string, error) {
	xml, err := h.Virsh(ctx, "dumpxml", "--inactive", "--security-info", name)
	if err != nil {
		return nil, err
	}
	info, err := h.Virsh(ctx, "dominfo", name)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(xml) {
		lines = append(lines, fmt.Sprintf("vm %s on %s xml %s", name, h.Name, strings.TrimRight(line, "\n")))
	}
	for line := range strings.Lines(info) {
		if regexp.MustCompile(`^(State|Persistent|Autostart|Managed save):`).MatchString(line) {
			lines = append(lines, fmt.Sprintf("vm %s on %s %s", name, h.Name, strings.Join(strings.Fields(line), " ")))
		}
	}
	return lines, nil
}

// dumpFiles lists the files of a pool. Of volumes that guests write to there is no checksum.
func (k *kvmPlace) dumpFiles(pool string) ([]string, error) {
	var lines []string
	root := filepath.Join(k.rig.Dir(), pool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		line := "file " + strings.TrimPrefix(path, k.rig.Dir()+"/")
		if pool != "volumes" {
			sum, err := checksum(path)
			if err != nil {
				return err
			}
			line += " " + sum
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}
