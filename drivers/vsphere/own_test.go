package vsphere

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// ownVCenter is a simulated vCenter in the test's own process, whose objects the test can
// put into states that no call leads to.
type ownVCenter struct {
	t           *testing.T
	model       *simulator.Model
	server      *simulator.Server
	certificate atomic.Pointer[tls.Certificate]
}

// newOwn starts one: a cluster DC0_C0 of two hosts with VMs that are off, DC0_C0_RP0_VM0
// and so on, or what edit makes of that.
func newOwn(t *testing.T, edit func(*simulator.Model)) *ownVCenter {
	t.Helper()
	model := simulator.VPX()
	model.Host, model.Cluster, model.ClusterHost, model.Machine, model.Autostart = 0, 1, 2, 2, false
	if edit != nil {
		edit(model)
	}
	if err := model.Create(); err != nil {
		t.Fatal(err)
	}
	o := &ownVCenter{t: t, model: model}
	o.renewCertificate()
	model.Service.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*o.certificate.Load()},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*o.certificate.Load()}}, nil
		},
	}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("hotspare", "secret")}
	o.server = model.Service.NewServer()
	t.Cleanup(func() {
		// The server waits for calls under way, and one that waits for updates goes on
		// for as long as it was told to.
		go func() {
			o.server.CloseClientConnections()
			o.server.Close()
		}()
		model.Remove()
	})
	return o
}

// renewCertificate gives the server another certificate, for connections to come.
func (o *ownVCenter) renewCertificate() {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		o.t.Fatal(err)
	}
	o.certificate.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
}

func (o *ownVCenter) thumbprint() string {
	return fmt.Sprintf("%X", sha256.Sum256(o.certificate.Load().Certificate[0]))
}

func (o *ownVCenter) configuration(compute string) drivers.Configuration {
	o.t.Helper()
	body, err := json.Marshal(map[string]string{
		"url": "https://" + o.server.URL.Host + "/sdk", "username": "hotspare", "password_file": "secret", "thumbprint": o.thumbprint(),
		"compute": compute, "volumes_datastore": "LocalDS_0",
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return drivers.Configuration{Site: siteName, Cluster: clusterName, Body: body, HealthEvery: time.Second}
}

func (o *ownVCenter) driver(compute string) *driver {
	o.t.Helper()
	return o.observed(compute, nil)
}

// observed gives a driver whose calls are told to observe.
func (o *ownVCenter) observed(compute string, observe func(soap.HasFault)) *driver {
	o.t.Helper()
	d := &driver{observe: observe}
	if err := d.Configure(o.t.Context(), o.configuration(compute)); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { d.client.close() })
	return d
}

// vm finds a VM by its name, and names its power.
func (o *ownVCenter) vm(name string) (*simulator.VirtualMachine, drivers.Property) {
	o.t.Helper()
	for _, entity := range o.model.Map().All("VirtualMachine") {
		if vm := entity.(*simulator.VirtualMachine); vm.Name == name {
			return vm, drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: vm.Config.InstanceUuid, Name: drivers.Power}
		}
	}
	o.t.Fatalf("there is no VM %s", name)
	return nil, drivers.Property{}
}

// set changes properties of a VM.
func (o *ownVCenter) set(vm *simulator.VirtualMachine, changes ...types.PropertyChange) {
	ctx := o.model.Service.Context
	ctx.WithLock(vm, func() { ctx.Update(vm, changes) })
}

// vms lists the names of the VMs in a driver's inventory.
func vmNames(t *testing.T, d drivers.Driver) (map[string]drivers.VMItem, error) {
	t.Helper()
	found := map[string]drivers.VMItem{}
	err := d.Inventory(t.Context(), drivers.InventoryRequest{}, func(i drivers.Item) error {
		if i.VM != nil {
			found[i.VM.Name] = *i.VM
		}
		return nil
	})
	return found, err
}
