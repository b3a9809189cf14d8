package vsphere

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// customized gives a driver whose VMs are customised by a specification.
func (s *testSite) customized(specification string) *driver {
	s.t.Helper()
	d := &driver{}
	if err := d.Configure(s.t.Context(), s.configuration(map[string]any{"customization": specification})); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.client.close() })
	return d
}

// specification keeps one at vCenter: Linux, with NICs that get their addresses so.
func (s *testSite) specification(name string, nics ...types.BaseCustomizationIpGenerator) {
	s.t.Helper()
	spec := types.CustomizationSpec{
		Options:  &types.CustomizationLinuxOptions{},
		Identity: &types.CustomizationLinuxPrep{HostName: &types.CustomizationVirtualMachineName{}, Domain: "example.org"},
	}
	for _, ip := range nics {
		spec.NicSettingMap = append(spec.NicSettingMap, types.CustomizationAdapterMapping{Adapter: types.CustomizationIPSettings{Ip: ip}})
	}
	item := types.CustomizationSpecItem{Info: types.CustomizationSpecInfo{Name: name, Type: "Linux"}, Spec: spec}
	if err := object.NewCustomizationSpecManager(s.admin).CreateCustomizationSpec(context.WithoutCancel(s.t.Context()), item); err != nil {
		s.t.Fatal(err)
	}
}

func TestACustomizationSpecificationNamesTheGuest(t *testing.T) {
	s := newSite(t)
	s.specification("dhcp", &types.CustomizationDhcpIpGenerator{})
	d := s.customized("dhcp")
	hostOf := func(name, userData string) string {
		t.Helper()
		power := s.made(d, name, userData).On(drivers.Power, "")
		mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
		t.Cleanup(func() { mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off})) })
		var vm mo.VirtualMachine
		if err := property.DefaultCollector(s.admin).RetrieveOne(t.Context(), s.byID(power.Target).Reference(), []string{"guest"}, &vm); err != nil {
			t.Fatal(err)
		}
		if vm.Guest.CustomizationInfo == nil {
			return ""
		}
		if status := vm.Guest.CustomizationInfo.CustomizationStatus; status != string(types.GuestInfoCustomizationStatusTOOLSDEPLOYPKG_SUCCEEDED) {
			t.Fatalf("customising %s: %s", name, status)
		}
		return vm.Guest.HostName
	}
	if host := hostOf("ws-20", ""); !strings.HasPrefix(host, "ws-20") {
		t.Errorf("the guest of ws-20 calls itself %q", host)
	}
	if host := hostOf("ws-21", "#cloud-config\n"); host != "" {
		t.Errorf("the guest with user data was customised, too, as %q", host)
	}
}

func TestACustomizationSpecificationThatDoesNotFitIsRefused(t *testing.T) {
	s := newSite(t)
	s.specification("fixed", &types.CustomizationFixedIp{IpAddress: "10.0.0.9"})
	s.specification("asks", &types.CustomizationUnknownIpGenerator{})
	s.specification("two NICs", &types.CustomizationDhcpIpGenerator{}, &types.CustomizationDhcpIpGenerator{})
	for name, why := range map[string]string{"fixed": "10.0.0.9", "asks": "asks a person", "none such": "does not exist"} {
		err := New().Configure(t.Context(), s.configuration(map[string]any{"customization": name}))
		wantError(t, err, drivers.Invalid, name, why)
		var e *drivers.Error
		if !errors.As(err, &e) || e.Attribute != "customization" {
			t.Errorf("%q: the error is not about the attribute: %v", name, err)
		}
	}
	d := s.customized("two NICs")
	p := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: uuid.NewString(), Name: drivers.Presence}
	_, err := d.Apply(t.Context(), changeOf(p, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: &drivers.VMSpec{
		Name: "ws-22", Template: "tpl-ubuntu", Host: "esx-06",
	}}}), nil)
	wantError(t, err, drivers.Refused, "two NICs", "tpl-ubuntu")
	if v, err := d.Observe(t.Context(), p); err != nil || v.Text != drivers.Absent {
		t.Errorf("the VM that was refused is %s, %v", v.Text, err)
	}
}
