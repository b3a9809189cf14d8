package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// observe reads the property now.
func (a *attempt) observe(driver drivers.Driver) (drivers.Value, error) {
	return a.call("observe", callPatience, func(ctx context.Context) (drivers.Value, error) {
		return driver.Observe(ctx, a.step.Property)
	})
}

// apply makes the change. It goes on when the run is taken over; only the engine's end
// cuts it off.
func (a *attempt) apply(driver drivers.Driver, grace time.Duration) (drivers.Value, error) {
	change := drivers.Change{
		Property: a.step.Property, ID: changeID(a.step.Property), Expected: a.expected, Goal: a.goal,
		Grace: grace, Force: a.force,
		Owner: drivers.Owner{Site: a.opts.Site, Holder: string(a.step.Owner)},
	}
	patience := longCall
	switch p := a.step.Property; {
	case a.step.TurnsOff():
		patience = grace + callPatience
	case p.Kind == drivers.VM && p.Name != drivers.Presence:
		patience = swapCall
	}
	return a.call("apply", patience, func(ctx context.Context) (drivers.Value, error) {
		return driver.Apply(ctx, change, func(p drivers.Progress) { a.note(a.run, a.step.ID, p.Message, p.Percent) })
	})
}

// How long a call may take, beside the grace of a guest. One that does not return would keep
// its target from every later run, and from a person. What it left running is waited for by
// the next call, as after any other cut.
const (
	callPatience = 2 * time.Minute
	swapCall     = 10 * time.Minute // a power-on, a disk, a network, a host
	longCall     = time.Hour        // a clone, a promotion
)

// call makes one call of a driver, and cuts it off when its time is over. A value that the
// journal could not record is an error of the call, and so is a panic: the driver is tried
// again as if it had died.
func (a *attempt) call(op string, patience time.Duration, do func(context.Context) (drivers.Value, error)) (value drivers.Value, err error) {
	op += " " + a.step.Property.Label()
	ctx, cancel := context.WithTimeout(a.ctx, patience)
	defer cancel()
	err = safely(a.opts.Log, func() (err error) { value, err = do(ctx); return err })
	if err != nil && ctx.Err() != nil && a.ctx.Err() == nil {
		return value, &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: a.step.Target, Cause: fmt.Errorf("%w within %s", errNoEnd, patience)}
	}
	var fault *panicked
	if errors.As(err, &fault) {
		return value, &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: a.step.Target, Cause: fmt.Errorf("the driver failed: %w", fault)}
	}
	if err == nil && len(value.Rest) > 0 && !json.Valid(value.Rest) {
		return value, &drivers.Error{Kind: drivers.Invalid, Op: op, Object: a.step.Target,
			Cause: errors.New("the rest of the driver's value is no JSON, so it cannot be recorded"), Next: "report this fault of the driver"}
	}
	return value, err
}

// panicked is a panic of code that is not ours, as an error.
type panicked struct{ fault any }

// Error tells the panic.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.fault) }

func safely(log *slog.Logger, do func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			log.Error("panic", "fault", fault, "stack", string(debug.Stack()))
			err = &panicked{fault}
		}
	}()
	return do()
}

// changeID names a change by what it changes: however often it is cut off and planned
// again, for whichever run, its half-made state is known by this name.
func changeID(p drivers.Property) string {
	sum := sha256.Sum256([]byte(p.String()))
	return "c-" + hex.EncodeToString(sum[:6])
}
