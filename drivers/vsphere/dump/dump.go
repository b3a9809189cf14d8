// Package dump writes down what a vCenter holds, as text to compare: before and after. It
// uses nothing of the driver, so that the two can bear witness to each other.
package dump

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"sort"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Dump reads the vCenter at address and gives what it holds, one thing a line, sorted:
// folders, networks, hosts, VMs with their devices, and the files of the datastores by
// name. It leaves out what changes by itself: times, tasks, ports of switches, device keys
// and counters. thumbprint is the SHA-256 of the server's certificate, in hex.
func Dump(ctx context.Context, address, user, password, thumbprint string) (string, error) {
	client, err := connect(ctx, address, user, password, thumbprint)
	if err != nil {
		return "", fmt.Errorf("dump %s: %w", address, err)
	}
	defer func() { _ = session.NewManager(client).Logout(context.WithoutCancel(ctx)) }()
	d := &dumper{ctx: ctx, client: client, names: map[types.ManagedObjectReference]string{}, keys: map[string]string{}}
	for _, part := range []func() error{d.readNames, d.folders, d.networks, d.machines, d.files} {
		if err := part(); err != nil {
			return "", fmt.Errorf("dump %s: %w", address, err)
		}
	}
	sort.Strings(d.lines)
	return strings.Join(d.lines, "\n") + "\n", nil
}

func connect(ctx context.Context, address, user, password, thumbprint string) (*vim25.Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	want, err := hex.DecodeString(strings.ReplaceAll(thumbprint, ":", ""))
	if err != nil {
		return nil, fmt.Errorf("the thumbprint is no hex: %w", err)
	}
	s := soap.NewClient(u, true)
	config := &tls.Config{
		InsecureSkipVerify: true, // the chain; the certificate itself is checked here:
		VerifyConnection: func(state tls.ConnectionState) error {
			if sum := sha256.Sum256(state.PeerCertificates[0].Raw); !bytes.Equal(sum[:], want) {
				return errors.New("the certificate does not have the thumbprint")
			}
			return nil
		},
	}
	s.DefaultTransport().DialTLSContext = (&tls.Dialer{Config: config}).DialContext
	client, err := vim25.NewClient(ctx, s)
	if err != nil {
		return nil, err
	}
	return client, session.NewManager(client).Login(ctx, url.UserPassword(user, password))
}

// dumper collects the lines.
type dumper struct {
	ctx    context.Context
	client *vim25.Client
	names  map[types.ManagedObjectReference]string // of hosts, pools and folders
	keys   map[string]string                       // of distributed port groups, to names
	lines  []string
}

func (d *dumper) line(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// below reads properties of everything of a type in the inventory.
func (d *dumper) below(kind string, paths []string, dst any) error {
	v, err := view.NewManager(d.client).CreateContainerView(d.ctx, d.client.ServiceContent.RootFolder, []string{kind}, true)
	if err != nil {
		return err
	}
	err = v.Retrieve(d.ctx, []string{kind}, paths, dst)
	return errors.Join(err, v.Destroy(d.ctx))
}

func (d *dumper) readNames() error {
	for _, kind := range []string{"HostSystem", "ResourcePool", "Folder"} {
		var content []types.ObjectContent
		if err := d.below(kind, []string{"name"}, &content); err != nil {
			return err
		}
		for _, c := range content {
			for _, p := range c.PropSet {
				d.names[c.Obj] = fmt.Sprint(p.Val)
			}
		}
	}
	return nil
}

func (d *dumper) folders() error {
	var folders []mo.Folder
	if err := d.below("Folder", []string{"name", "parent"}, &folders); err != nil {
		return err
	}
	parents := map[types.ManagedObjectReference]*types.ManagedObjectReference{}
	for _, f := range folders {
		parents[f.Self] = f.Parent
	}
	for _, f := range folders {
		at := f.Name
		for parent := f.Parent; parent != nil; parent = parents[*parent] {
			if name := d.names[*parent]; name != "" {
				at = name + "/" + at
			}
		}
		d.line("folder %s", at)
	}
	return nil
}

func (d *dumper) networks() error {
	var groups []mo.DistributedVirtualPortgroup
	if err := d.below("DistributedVirtualPortgroup", []string{"name", "key", "host"}, &groups); err != nil {
		return err
	}
	for _, g := range groups {
		d.keys[g.Key] = g.Name
		d.line("network %s key %s hosts %s", g.Name, g.Key, d.hostNames(g.Host))
	}
	var plain []mo.Network
	if err := d.below("Network", []string{"name"}, &plain); err != nil {
		return err
	}
	for _, n := range plain {
		if n.Self.Type == "Network" {
			d.line("network %s standard", n.Name)
		}
	}
	return nil
}

func (d *dumper) hostNames(refs []types.ManagedObjectReference) string {
	var list []string
	for _, ref := range refs {
		list = append(list, d.names[ref])
	}
	sort.Strings(list)
	return strings.Join(list, ",")
}

func (d *dumper) files() error {
	finder := find.NewFinder(d.client)
	datacenters, err := finder.DatacenterList(d.ctx, "*")
	if err != nil {
		return err
	}
	for _, datacenter := range datacenters {
		finder.SetDatacenter(datacenter)
		stores, err := finder.DatastoreList(d.ctx, "*")
		if err != nil {
			return err
		}
		for _, store := range stores {
			if err := d.datastore(store); err != nil {
				return err
			}
			if err := d.filesOn(store); err != nil {
				return err
			}
		}
	}
	return nil
}

// datastore writes down which hosts have a datastore mounted, and how.
func (d *dumper) datastore(store *object.Datastore) error {
	var s mo.Datastore
	if err := store.Properties(d.ctx, store.Reference(), []string{"name", "info", "host", "summary.type"}, &s); err != nil {
		return err
	}
	export := ""
	if nas, ok := s.Info.(*types.NasDatastoreInfo); ok && nas.Nas != nil {
		export = nas.Nas.RemoteHost + ":" + nas.Nas.RemotePath
	}
	var mounts []string
	for _, m := range s.Host {
		mounts = append(mounts, d.nameOf(&m.Key)+" "+m.MountInfo.AccessMode)
	}
	sort.Strings(mounts)
	d.line("datastore %s type %s export %q mounted on %s", s.Name, s.Summary.Type, export, strings.Join(mounts, ", "))
	return nil
}

// filesOn lists a datastore's files by name; a folder without files leaves no trace.
func (d *dumper) filesOn(store *object.Datastore) error {
	browser, err := store.Browser(d.ctx)
	if err != nil {
		return err
	}
	task, err := browser.SearchDatastoreSubFolders(d.ctx, store.Path(""), &types.HostDatastoreBrowserSearchSpec{MatchPattern: []string{"*"}})
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(d.ctx)
	if err != nil {
		return err
	}
	results, ok := info.Result.(types.ArrayOfHostDatastoreBrowserSearchResults)
	if !ok {
		return fmt.Errorf("list the files of %s: vCenter answers with a %T", store.Name(), info.Result)
	}
	folders := map[string]bool{}
	for _, r := range results.HostDatastoreBrowserSearchResults {
		folders[plainPath(r.FolderPath)] = true
	}
	for _, r := range results.HostDatastoreBrowserSearchResults {
		for _, f := range r.File {
			at := plainPath(r.FolderPath + "/" + path.Base(f.GetFileInfo().Path))
			if _, isFolder := f.(*types.FolderFileInfo); !isFolder && !folders[at] {
				d.line("file %s", at)
			}
		}
	}
	return nil
}

// plainPath writes "[datastore] path" in the one way that VMs' devices do.
func plainPath(at string) string {
	store, below, _ := strings.Cut(at, "]")
	return store + "] " + strings.Trim(path.Clean("/"+strings.TrimSpace(below)), "/")
}
