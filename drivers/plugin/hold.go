package plugin

import (
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// failures counts the processes in a row that ended before they did anything for a caller,
// and the launches that failed. Enough of them in a time hold the driver.
type failures struct {
	after  int
	within time.Duration
	times  []time.Time // of the last ones
	total  int
	held   bool // until a process works
}

// add counts a failure, and says whether the driver is held now. One that no other launch
// mends holds at once.
func (f *failures) add(err error, now time.Time) bool {
	f.total++
	f.times = append(f.times, now)
	f.times = f.times[max(0, len(f.times)-f.after):]
	if len(f.times) == f.after && now.Sub(f.times[0]) <= f.within || drivers.KindOf(err) == drivers.Refused {
		f.held = true
	}
	return f.held
}

// clear forgets all failures: a process has worked.
func (f *failures) clear() { f.times, f.total, f.held = nil, 0, false }

// reason says why the driver is held: for what, and what a person can do.
func (f *failures) reason(binary string, err error, every time.Duration) error {
	e := &drivers.Error{Kind: drivers.Unavailable, Op: "run driver", Object: binary}
	cause, next := err, "look at the driver's log, and install one that works"
	var known *drivers.Error
	if errors.As(err, &known) {
		if known.Object == binary {
			cause = known.Cause
		}
		if known.Next != "" {
			next = known.Next
		}
	}
	if drivers.KindOf(err) == drivers.Refused {
		e.Cause = fmt.Errorf("it is held: %w", cause)
	} else {
		e.Cause = fmt.Errorf("it is held after %d failures in a row, the last: %w", f.total, cause)
	}
	e.Next = fmt.Sprintf("%s; it is tried again every %s, and at once when a person asks for it", next, every)
	return e
}
