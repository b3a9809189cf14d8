package kvmsite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Network is one network of the site: a namespace with a bridge, which every host is plugged
// into and nothing else. Networks share no bridge, and nothing routes between them.
type Network struct {
	site *Site
	// Name is what the network answers to guests that ask where they are: "prod", "iso-1".
	Name string
	// Bridge is its bridge on every host: "br-prod", "iso-1".
	Bridge string
}

// The addresses in the networks. All guests' networks have the same ones, so that a copy may
// carry production's address in an isolated network.
const (
	beaconAddress  = "10.20.0.1"
	storageAddress = "10.30.0.1"
	storageNetwork = "storage"
	// The web server has one MAC address too: a guest whose NIC is moved finds it at once.
	beaconMAC = "02:00:0a:14:00:01"
)

var networks = []Network{
	{Name: "standby", Bridge: "br-standby"}, {Name: "prod", Bridge: "br-prod"},
	{Name: "iso-1", Bridge: "iso-1"}, {Name: "iso-2", Bridge: "iso-2"},
	{Name: "iso-3", Bridge: "iso-3"}, {Name: "iso-4", Bridge: "iso-4"},
	{Name: storageNetwork, Bridge: "br-storage"},
}

// Network gives the network of that name: standby, prod, iso-1 to iso-4, storage.
func (s *Site) Network(name string) (Network, error) {
	i := slices.IndexFunc(networks, func(n Network) bool { return n.Name == name })
	if i < 0 {
		return Network{}, fmt.Errorf("network %s: there is none of this name: choose standby, prod, iso-1 to iso-4 or storage", name)
	}
	n := networks[i]
	n.site = s
	return n, nil
}

// Networks lists the guests' networks.
func (s *Site) Networks() []Network {
	list := slices.Clone(networks[:len(networks)-1])
	for i := range list {
		list[i].site = s
	}
	return list
}

func (n Network) role() string { return "net-" + n.Name }

// pid is the process that holds the network's namespace.
func (n Network) pid() (int, error) {
	list, err := processes(n.site.dir)
	if err != nil {
		return 0, err
	}
	p := leader(list, n.role())
	if p == nil {
		return 0, fmt.Errorf("network %s is not there: bring the site up", n.Name)
	}
	return p.pid, nil
}

// Command is a command that runs inside the network, as a client of the guests in it would:
// site.Network("prod") and "busybox nc 10.20.0.11 80".
func (n Network) Command(ctx context.Context, argv ...string) (*exec.Cmd, error) {
	pid, err := n.pid()
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(pid), "-n"}, argv...)...), nil
}

// Get fetches a page over HTTP from an address inside the network, in at most two seconds:
// Get(ctx, "10.20.0.11", "/cgi-bin/data").
func (n Network) Get(ctx context.Context, address, path string) (string, error) {
	pid, err := n.pid()
	if err != nil {
		return "", err
	}
	answer, err := feed(ctx, "GET "+path+" HTTP/1.0\r\n\r\n", "nsenter", "-t", strconv.Itoa(pid), "-n", "busybox", "nc", "-w", "2", address, "80")
	if err != nil {
		return "", fmt.Errorf("get %s from %s in network %s: %w", path, address, n.Name, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		return "", fmt.Errorf("get %s from %s in network %s: %w", path, address, n.Name, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return strings.TrimSpace(string(body)), err
}

// up starts the network: a web server in a namespace of its own, which tells guests where they
// are and writes down what they tell, and a bridge with its address.
func (n Network) up(ctx context.Context) error {
	home := filepath.Join(n.site.dir, "net", n.Name)
	if err := os.MkdirAll(filepath.Join(home, "cgi-bin"), 0o755); err != nil {
		return err
	}
	answer := fmt.Sprintf("printf 'Content-type: text/plain\\r\\n\\r\\n%s\\n'\n", n.Name)
	heard := fmt.Sprintf("echo \"$(date +%%s.%%N),net=%s,$QUERY_STRING\" >>%s\n", n.Name, quote(n.site.path(bootsFile)))
	for name, script := range map[string]string{"name": answer, "boot": heard + answer} {
		if err := os.WriteFile(filepath.Join(home, "cgi-bin", name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			return err
		}
	}
	pid, err := n.site.start(n.role(), syscall.CLONE_NEWNET, n.site.path("rig.log"), "busybox", "httpd", "-f", "-p", "80", "-h", home)
	if err != nil {
		return err
	}
	address := beaconAddress
	if n.Name == storageNetwork {
		address = storageAddress
	}
	return ipBatch(ctx, pid, "link set lo up", "link add bridge address "+beaconMAC+" type bridge", "addr add "+address+"/24 dev bridge", "link set bridge up")
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// ipBatch runs lines of ip in the network namespace of a process; pid 0 is our own.
func ipBatch(ctx context.Context, pid int, lines ...string) error {
	argv := []string{"ip", "-batch", "-"}
	if pid != 0 {
		argv = append([]string{"nsenter", "-t", strconv.Itoa(pid), "-n"}, argv...)
	}
	_, err := feed(ctx, strings.Join(lines, "\n")+"\n", argv[0], argv[1:]...)
	if err != nil {
		return fmt.Errorf("set up a network: %w", err)
	}
	return nil
}

// plug joins a host to networks: a bridge of the network's name on the host, with a cable to
// the network's own bridge. On the storage network the host has an address instead.
func (h Host) plug(ctx context.Context, pid int, names []string) error {
	var cables, inside []string
	for _, name := range names {
		n, err := h.site.Network(name)
		if err != nil {
			return err
		}
		holder, err := n.pid()
		if err != nil {
			return err
		}
		// The cable of an earlier life of the host goes when its namespace is taken down, which
		// the kernel does a little later.
		_, _ = run(ctx, "nsenter", "-t", strconv.Itoa(holder), "-n", "ip", "link", "del", h.Name)
		cables = append(cables, fmt.Sprintf("link add name %s netns %d type veth peer name up-%s netns %d", h.Name, holder, name, pid))
		inside = append(inside, "link set up-"+name+" up")
		if name == storageNetwork {
			inside = append(inside, fmt.Sprintf("addr add 10.30.0.%d/24 dev up-%s", 10+h.number, name))
		} else {
			inside = append(inside, "link add "+n.Bridge+" type bridge", "link set up-"+name+" master "+n.Bridge, "link set "+n.Bridge+" up")
		}
	}
	if err := ipBatch(ctx, 0, cables...); err != nil {
		return err
	}
	if err := ipBatch(ctx, pid, inside...); err != nil {
		return err
	}
	for _, name := range names {
		n, _ := h.site.Network(name)
		holder, err := n.pid()
		if err != nil {
			return err
		}
		if err := ipBatch(ctx, holder, "link set "+h.Name+" master bridge", "link set "+h.Name+" up"); err != nil {
			return err
		}
	}
	return nil
}
