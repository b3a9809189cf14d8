package config

import (
	"slices"
	"strconv"
	"strings"
)

// didYouMean is the hint for a name that does not exist: the nearest one that does, or
// all of them. what says what the names are: "clusters".
func didYouMean(name, what string, known []string) string {
	if len(known) == 0 {
		return "there are no " + what
	}
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	all := what + ": " + strings.Join(known, ", ")
	if best := Nearest(name, known); best != "" {
		return "did you mean " + strconv.Quote(best) + "? " + all
	}
	return all
}

// Nearest finds the name that was probably meant; "" where none is near.
func Nearest(name string, known []string) string {
	best, distance := "", 0
	for _, candidate := range known {
		d := editDistance(strings.ToLower(name), strings.ToLower(candidate))
		if d <= max(1, len(candidate)/3) && (best == "" || d < distance) {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete, replace or swap with their
// neighbour to come from a to b.
func editDistance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if n := len(s) - len(t); n > 20 || n < -20 {
		return max(len(s), len(t))
	}
	before, last := make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row := make([]int, len(t)+1)
		row[0] = i
		for j := 1; j <= len(t); j++ {
			replace := last[j-1]
			if s[i-1] != t[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}
