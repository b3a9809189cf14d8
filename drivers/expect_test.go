package drivers_test

import (
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

func TestAValueThatTheChangeDoesNotExpectIsDrift(t *testing.T) {
	on, off, suspended := drivers.Value{Text: drivers.On}, drivers.Value{Text: drivers.Off}, drivers.Value{Text: drivers.Suspended}
	for what, c := range map[string]struct {
		expected []drivers.Value
		drift    bool
	}{
		"any may stand":      {nil, false},
		"it is the one":      {[]drivers.Value{on}, false},
		"it is one of two":   {[]drivers.Value{off, on}, false},
		"it is none of them": {[]drivers.Value{off, suspended}, true},
	} {
		err := drivers.Change{Expected: c.expected}.CheckExpected("power off", "vm-1", on, drivers.SameText)
		if !c.drift {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		e, ok := err.(*drivers.Error)
		if !ok || e.Kind != drivers.Drift || e.Found == nil || e.Found.Text != drivers.On || e.Next == "" ||
			!strings.Contains(err.Error(), `power off vm-1: found "on" where "off" is expected`) {
			t.Errorf("%s: got %#v", what, err)
		}
	}
}
