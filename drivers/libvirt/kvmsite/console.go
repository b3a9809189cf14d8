package kvmsite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// bootsFile is where the networks write down what booting guests tell them.
const bootsFile = "boots.log"

// Boot is what a guest told the network that it is on, once, when it had booted. The texts are
// as the guest read them; what it does not have is empty.
type Boot struct {
	UUID   string // of the domain, in small letters
	Net    string // the network that heard it: "prod", "iso-1"
	Disk   string // the text at the start of vda: "shop-db-root@rp-2"
	Disk2  string // the same of vdb
	Serial string // of vda
	Data   string // what was last written to vda, by pattern= or over HTTP
	Boots  string // how many times a guest has booted from this disk, this one included
	MAC    string
	IP     string
	Seed   string // the first line of the NoCloud user-data; other than letters, digits and @:.,=- are _
}

// Boots lists the boots of a VM, oldest first. It holds for VMs that are copies of another,
// which share its console.
func (s *Site) Boots(uuid string) ([]Boot, error) {
	content, err := os.ReadFile(s.path(bootsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the guests' boots: %w", err)
	}
	var list []Boot
	for line := range strings.Lines(string(content)) {
		if b := parseBoot(strings.TrimSpace(line)); b.UUID == strings.ToLower(uuid) {
			list = append(list, b)
		}
	}
	return list, nil
}

func parseBoot(line string) Boot {
	var b Boot
	fields := map[string]*string{
		"uuid": &b.UUID, "net": &b.Net, "disk": &b.Disk, "disk2": &b.Disk2, "serial": &b.Serial,
		"data": &b.Data, "boots": &b.Boots, "mac": &b.MAC, "ip": &b.IP, "seed": &b.Seed,
	}
	for _, part := range strings.Split(line, ",") {
		key, value, _ := strings.Cut(part, "=")
		if into := fields[key]; into != nil {
			*into = value
		}
	}
	return b
}

// WaitBoot waits until a VM has booted more than so many times since the site came up, and
// gives its newest boot.
func (s *Site) WaitBoot(ctx context.Context, uuid string, more int) (Boot, error) {
	var newest Boot
	err := poll(ctx, fmt.Sprintf("VM %s has booted %d times", uuid, more+1), func() (bool, error) {
		list, err := s.Boots(uuid)
		if err != nil || len(list) <= more {
			return false, err
		}
		newest = list[len(list)-1]
		return true, nil
	})
	return newest, err
}

func (s *Site) consolePath(vm string) string { return s.path("console", vm+".log") }

// Console gives what the VM of that name has said on its serial console since the site came
// up; nothing where it never ran.
func (s *Site) Console(vm string) (string, error) {
	content, err := os.ReadFile(s.consolePath(vm))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the console of %s: %w", vm, err)
	}
	return string(content), nil
}

// WaitConsole waits until the VM's console holds a text more than so many times, and gives the
// line of the last.
func (s *Site) WaitConsole(ctx context.Context, vm, text string, more int) (string, error) {
	var found string
	err := poll(ctx, fmt.Sprintf("the console of %s says %q", vm, text), func() (bool, error) {
		console, err := s.Console(vm)
		if err != nil {
			return false, err
		}
		n := 0
		for line := range strings.Lines(console) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				n, found = n+1, strings.TrimSpace(line)
			}
		}
		return n > more, nil
	})
	return found, err
}
