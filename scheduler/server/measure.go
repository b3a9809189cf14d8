package server

import (
	"slices"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// measuredRuns is how many of the last runs tell how long a change usually takes.
const measuredRuns = 20

func lastRuns(state *scheduler.State) []*scheduler.Run {
	var done []*scheduler.Run
	for _, run := range state.Runs {
		if run.State == scheduler.RunDone {
			done = append(done, run)
		}
	}
	scheduler.SortRuns(done)
	return done[max(0, len(done)-measuredRuns):]
}

// median of the times; zero where there are none.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
