package devsite

import (
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// finder answers the searches by name. The simulator's own panics while a VM is listed that
// has no name yet, for it is just being made, and leaves its lock behind: every later search
// would hang. It is an object of the simulator's, like guests.
type finder struct {
	mo.SearchIndex

	model *simulator.Model
}

var finderRef = types.ManagedObjectReference{Type: "SearchIndex", Value: "finder"}

// FindByInventoryPath is the simulator's.
func (f *finder) FindByInventoryPath(ctx *simulator.Context, request *types.FindByInventoryPath) soap.HasFault {
	return whenNamed(func() soap.HasFault { return f.own().FindByInventoryPath(ctx, request) })
}

// FindChild is the simulator's.
func (f *finder) FindChild(ctx *simulator.Context, request *types.FindChild) soap.HasFault {
	return whenNamed(func() soap.HasFault { return f.own().FindChild(ctx, request) })
}

func (f *finder) own() *simulator.SearchIndex {
	return f.model.Map().Get(*f.model.ServiceContent.SearchIndex).(*simulator.SearchIndex)
}

// namedWithin is how long a VM may take to get its name: the simulator sets it some
// instructions later.
const namedWithin = 10 * time.Second

// whenNamed searches again while a VM has no name.
func whenNamed(search func() soap.HasFault) soap.HasFault {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if body := try(search, time.Since(began) > namedWithin); body != nil {
			return body
		}
	}
}

// try searches, and gives nil where a VM has no name, unless that is for the last time.
func try(search func() soap.HasFault, last bool) (body soap.HasFault) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if text, ok := fault.(string); !ok || last || !strings.Contains(text, "does not have a Name") {
			panic(fault)
		}
		body = nil
	}()
	return search()
}
