package libvirt

import (
	"errors"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

// A wrong configuration block is told by its attribute, before anything is connected to.
func TestAWrongAttributeIsNamed(t *testing.T) {
	for body, want := range map[string]string{
		``:                     "volumes_pool",
		`{"hosts":1}`:          "hosts",
		`{"volumes_pool":"v"}`: "hosts",
		`{"volumes_pool":"v","hosts":{"a":"xen:///"}}`:                                 "hosts",
		`{"volumes_pool":"v","hosts":{"a":"qemu:///system","b":"qemu:///system"}}`:     "hosts",
		`{"volumes_pool":"v","hosts":{"a":"qemu+ssh://root:secret@a/system"}}`:         "hosts",
		`{"volumes_pool":"v","hosts":{"a":"qemu:///system"},"bridges":"br0"}`:          "bridges",
		`{"volumes_pool":"v","hosts":{"a":"qemu:///system"},"connect_timeout":"soon"}`: "connect_timeout",
		`{"volumes_pool":"v","hosts":{"a":"qemu:///system"},"volume_pool":"typo"}`:     "volume_pool",
		`{"volumes_pool":"","hosts":{"a":"qemu:///system"}}`:                           "volumes_pool",
	} {
		err := (&driver{}).Configure(t.Context(), drivers.Configuration{Site: siteName, Cluster: clusterName, Body: []byte(body)})
		var e *drivers.Error
		if !errors.As(err, &e) || e.Kind != drivers.Invalid || e.Attribute != want {
			t.Errorf("%s: want attribute %s, got %+v", body, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells a password: %v", err)
		}
	}
}

func TestAPoolThatIsNotThereIsNamed(t *testing.T) {
	s := newSite(t)
	err := (&driver{}).Configure(t.Context(), s.configuration(func(body map[string]any) { body["volumes_pool"] = "no-such-pool" }))
	var e *drivers.Error
	if !errors.As(err, &e) || e.Kind != drivers.Invalid || e.Attribute != "volumes_pool" {
		t.Errorf("%v", err)
	}
}
