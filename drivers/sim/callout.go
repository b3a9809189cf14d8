package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// calloutState is whether a scripted change is done.
type calloutState struct{ base }

type calloutRest struct {
	Printed *string `json:"printed"`
}

func (a *calloutState) callout(st *state) (*Callout, error) {
	c := st.Callouts[a.c.Property.Target]
	if c == nil {
		return nil, a.fail.notFound("", "there is no callout %s", a.c.Property.Target)
	}
	return c, nil
}

func (a *calloutState) observe(st *state) (drivers.Value, error) {
	c, err := a.callout(st)
	if err != nil {
		return drivers.Value{}, err
	}
	if c.Done {
		return drivers.Value{Text: drivers.DoneText, Rest: rest(map[string]any{"printed": c.Printed})}, nil
	}
	return drivers.Value{Text: drivers.Undone}, nil
}

func (a *calloutState) half(st *state) *Half {
	if c := st.Callouts[a.c.Property.Target]; c != nil {
		return c.Half
	}
	return nil
}

func (a *calloutState) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	c, err := a.callout(st)
	if err != nil {
		return 0, err
	}
	var r calloutRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return 0, a.fail.invalid("%w", err)
	}
	c.Half = a.mark(c.Half, have)
	return st.Latency.Callout, nil
}

func (a *calloutState) finish(st *state, _ time.Time) error {
	c, err := a.callout(st)
	if err != nil {
		return err
	}
	var r calloutRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return a.fail.invalid("%w", err)
	}
	c.Half, c.Done, c.Printed = nil, a.c.Goal.Text == drivers.DoneText, ""
	if c.Done {
		c.Printed = "was before: " + c.Name
		give(&c.Printed, r.Printed)
	}
	return nil
}
