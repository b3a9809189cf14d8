package vsphere

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// guestInfoOf reads what a VM's guest can read, decoded where it is encoded.
func (s *testSite) guestInfoOf(id string) map[string]string {
	s.t.Helper()
	var vm mo.VirtualMachine
	err := property.DefaultCollector(s.admin).RetrieveOne(context.WithoutCancel(s.t.Context()), s.byID(id).Reference(), []string{"config.extraConfig"}, &vm)
	if err != nil {
		s.t.Fatal(err)
	}
	raw := map[string]string{}
	for _, option := range vm.Config.ExtraConfig {
		o := option.GetOptionValue()
		if text, ok := o.Value.(string); ok && strings.HasPrefix(o.Key, "guestinfo.") {
			raw[o.Key] = text
		}
	}
	for key, text := range raw {
		if raw[key+".encoding"] == "base64" {
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				s.t.Fatal(err)
			}
			raw[key] = string(plain)
		}
	}
	return raw
}

func TestUserDataIsWhereCloudInitLooksForIt(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	const userData = "#cloud-config\nhostname: žluť\n"
	vm := s.made(d, "ws_12 load.1", userData)
	info := s.guestInfoOf(vm.Target)
	if info["guestinfo.userdata"] != userData || info["guestinfo.userdata.encoding"] != "base64" || info["guestinfo.metadata.encoding"] != "base64" {
		t.Errorf("the guest reads %q", info)
	}
	var meta map[string]string
	if err := json.Unmarshal([]byte(info["guestinfo.metadata"]), &meta); err != nil {
		t.Fatal(err)
	}
	if len(meta) != 2 || meta["instance-id"] != vm.Target || meta["local-hostname"] != "ws-12-load-1" {
		t.Errorf("the guest's metadata is %v", meta)
	}
	if info := s.guestInfoOf(s.made(d, "ws-13", "").Target); len(info) != 0 {
		t.Errorf("without user data the guest reads %q", info)
	}
	for name, host := range map[string]string{"": "workspace", "🚀": "workspace", "-a-": "a", strings.Repeat("x", 70): strings.Repeat("x", 63)} {
		if got := hostName(name); got != host {
			t.Errorf("the host's name of %q is %q, want %q", name, got, host)
		}
	}
}

func TestTheInventoryTellsTheGuestsAddresses(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	power := s.made(d, "ws-14", "").On(drivers.Power, "")
	told := func(when string, want ...string) {
		t.Helper()
		items, err := vmNames(t, d)
		if got := items["ws-14"].Addresses; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s its addresses are %v, want %v; %v", when, got, want, err)
		}
	}
	told("while it is off")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	s.option(power.Target, "SET.guest.ipAddress", "10.66.0.14")
	told("when its guest has said so", "10.66.0.14")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off}))
	told("when it is off again")
	all := addresses(&types.GuestInfo{IpAddress: "10.0.0.1", Net: []types.GuestNicInfo{
		{IpAddress: []string{"10.0.0.1", "fe80::1"}}, {}, {IpAddress: []string{"10.9.0.1"}},
	}})
	if want := []string{"10.0.0.1", "fe80::1", "10.9.0.1"}; !slices.Equal(all, want) {
		t.Errorf("the addresses are %v, want %v", all, want)
	}
}
