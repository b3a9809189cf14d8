package vsphere

import (
	"encoding/json"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// The keys of a VM's extraConfig that hold its tags. Guests cannot read them.
const (
	ownerKey    = "hotspare.owner"
	changeKey   = "hotspare.change"
	templateKey = "hotspare.template"
)

// tags are the marks on a VM that we made.
type tags struct {
	owner    drivers.Owner
	change   string // that made it
	template string // it was made from
}

func (t tags) options() []types.BaseOptionValue {
	options := []types.BaseOptionValue{
		&types.OptionValue{Key: ownerKey, Value: string(restorepoint.Encode(t.owner))},
		&types.OptionValue{Key: changeKey, Value: t.change},
	}
	if t.template != "" {
		options = append(options, &types.OptionValue{Key: templateKey, Value: t.template})
	}
	return options
}

// readTags reads the marks on a VM; those of a VM that is not ours are zero.
func readTags(options []types.BaseOptionValue) tags {
	var t tags
	for _, option := range options {
		o := option.GetOptionValue()
		text, _ := o.Value.(string)
		switch o.Key {
		case ownerKey:
			t.owner = readOwner(text)
		case changeKey:
			t.change = text
		case templateKey:
			t.template = text
		}
	}
	return t
}

// readOwner reads the owner's tag. One that somebody has damaged means: not ours, for
// nothing is deleted on a doubt.
func readOwner(text string) drivers.Owner {
	var owner drivers.Owner
	if json.Unmarshal([]byte(text), &owner) != nil {
		return drivers.Owner{}
	}
	return owner
}
