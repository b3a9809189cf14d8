package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// Drained is a host that a person has taken out of use: it lends nothing and counts for
// nothing, as one in maintenance. What runs there goes on.
type Drained struct {
	Cluster string    `json:"cluster"`
	Host    string    `json:"host"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
}

// DrainOf gives who drained a host, and why; nil where nobody did.
func (s *State) DrainOf(cluster, host string) *Drained {
	for i := range s.Drained {
		if d := &s.Drained[i]; d.Cluster == cluster && d.Host == host {
			return d
		}
	}
	return nil
}

// Drain takes a host out of use, which is not yet, and Resume puts one back into use. Only
// package journal calls them. The list stays sorted, and is replaced rather than changed.
func (s *State) Drain(d Drained) {
	s.Drained = append(slices.Clone(s.Drained), d)
	slices.SortFunc(s.Drained, func(a, b Drained) int { return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Host, b.Host)) })
}

// Resume puts a host back into use.
func (s *State) Resume(cluster, host string) {
	s.Drained = slices.DeleteFunc(slices.Clone(s.Drained), func(d Drained) bool { return d.Cluster == cluster && d.Host == host })
}
