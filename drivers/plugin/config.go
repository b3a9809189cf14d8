package plugin

import (
	"log/slog"
	"time"
)

// Config says how a driver's process is run, and when it is given up. Only Binary must be
// given.
type Config struct {
	Binary string       // path of the driver's binary
	Logger *slog.Logger // gets what the process logs, up to a bound; nil: slog's default
	// TempDir takes a folder for each launch, with the socket; empty: the system's. A
	// socket's path must be shorter than 108 bytes.
	TempDir      string
	Env          []string      // "KEY=value" for the process, beside PATH; it inherits nothing else
	StartTimeout time.Duration // from the launch to the answer to the first describe; 0: 10 s
	// ConfigureTimeout bounds one configure. A process that gives no answer in it is
	// killed, and launched again. 0: 30 s
	ConfigureTimeout time.Duration
	// PingTimeout is how long a process may give no sign of life before it is killed; one
	// is asked for every PingEvery, which is at most half of it. 0: 5 s and 2 s
	PingEvery, PingTimeout time.Duration
	BackoffFirst           time.Duration // before the first relaunch, doubled for each that follows; 0: 50 ms
	BackoffMost            time.Duration // 0: 30 s
	// HoldAfter failures in a row within HoldWithin hold the driver: a process that ended
	// before any inventory, observe or apply succeeded, or could not be launched. One that
	// works between its crashes is not held, but launched again with backoff: a reclaim
	// goes on through it. 0: 5 within 5 minutes
	HoldAfter  int
	HoldWithin time.Duration
	// HeldEvery is how often a held driver is tried again; see [Supervisor.Retry]. 0: 1 min
	HeldEvery time.Duration
	// Patience is how long a call waits for a driver that is being launched again, before
	// it fails as Unavailable. 0: 2 s
	Patience time.Duration

	budget *budget // of the log, over all launches
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for field, fallback := range map[*time.Duration]time.Duration{
		&c.StartTimeout: 10 * time.Second, &c.ConfigureTimeout: 30 * time.Second,
		&c.PingEvery: 2 * time.Second, &c.PingTimeout: 5 * time.Second,
		&c.BackoffFirst: 50 * time.Millisecond, &c.BackoffMost: 30 * time.Second,
		&c.HoldWithin: 5 * time.Minute, &c.HeldEvery: time.Minute, &c.Patience: 2 * time.Second,
	} {
		if *field <= 0 {
			*field = fallback
		}
	}
	if c.HoldAfter <= 0 {
		c.HoldAfter = 5
	}
	c.PingEvery = min(c.PingEvery, c.PingTimeout/2)
	if c.budget == nil {
		c.budget = &budget{}
	}
	return c
}
