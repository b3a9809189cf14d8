package server

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// How long a signal that began nothing is told of, how many kinds of them, and in how many
// letters: what comes from outside must not fill the memory, or the screen.
const (
	refusedFor     = 24 * time.Hour
	refusedMost    = 20
	refusedLetters = 300
)

// refusals are the signals of monitoring that began nothing, though they should have: an
// alert that names no group, a trigger whose token is wrong. They are of this process only.
type refusals struct {
	mu  sync.Mutex
	all map[string]*api.RefusedSignal // by reason
}

// note remembers a refusal; one beyond the most takes the place of the oldest.
func (r *refusals) note(reason string, now time.Time) {
	if letters := []rune(reason); len(letters) > refusedLetters {
		reason = string(letters[:refusedLetters]) + "…"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.all[reason]
	if known == nil {
		if r.all == nil {
			r.all = map[string]*api.RefusedSignal{}
		}
		if len(r.all) >= refusedMost {
			delete(r.all, r.sorted()[len(r.all)-1].Reason)
		}
		known = &api.RefusedSignal{Reason: reason}
		r.all[reason] = known
	}
	known.Count, known.Last = known.Count+1, now
}

// list gives those of the last day, the newest first.
func (r *refusals) list(now time.Time) []api.RefusedSignal {
	r.mu.Lock()
	defer r.mu.Unlock()
	for reason, one := range r.all {
		if now.Sub(one.Last) > refusedFor {
			delete(r.all, reason)
		}
	}
	return r.sorted()
}

func (r *refusals) sorted() []api.RefusedSignal {
	all := make([]api.RefusedSignal, 0, len(r.all))
	for _, one := range r.all {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(x, y api.RefusedSignal) int {
		return cmp.Or(y.Last.Compare(x.Last), cmp.Compare(x.Reason, y.Reason))
	})
	return all
}
