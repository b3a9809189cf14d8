package vsphere

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// hangs gives a function that makes the vCenter take calls and answer none, and one that
// lets it answer again. It is called before there is any driver.
func (o *ownVCenter) hangs() (hang, answer func()) {
	var closed atomic.Pointer[chan struct{}]
	o.model.Map().Handler = func(*simulator.Context, *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		if until := closed.Load(); until != nil {
			<-*until
		}
		return nil, nil
	}
	answer = func() {
		if until := closed.Swap(nil); until != nil {
			close(*until)
		}
	}
	o.t.Cleanup(answer)
	return func() {
		until := make(chan struct{})
		closed.Store(&until)
	}, answer
}

func TestAVCenterThatHangsIsToldByHealth(t *testing.T) {
	o := newOwn(t, nil)
	hang, answer := o.hangs()
	d := o.driver("DC0_C0")
	if silence := d.client.settings.silence; silence <= 0 || silence > 5*time.Second {
		t.Errorf("a vCenter may be silent for %s", silence)
	}
	const silence = 300 * time.Millisecond
	d.client.settings.silence, d.configured.HealthEvery = silence, 10*time.Millisecond
	seen := errors.New("seen")
	var told []drivers.Health
	err := d.Health(t.Context(), func(h drivers.Health) error {
		told = append(told, h)
		switch len(told) {
		case 1:
			hang()
		case 2:
			answer()
		case 3:
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) {
		t.Fatal(err)
	}
	if !told[0].OK || !told[2].OK {
		t.Errorf("before and after it hangs health says %+v and %+v", told[0], told[2])
	}
	if h := told[1]; h.OK || !strings.Contains(h.Error, errNoAnswer.Error()) || h.Took < silence || h.Took > silence+5*time.Second {
		t.Errorf("while it hangs health says %+v", h)
	}
}
