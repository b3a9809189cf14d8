package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
)

// span is a flag that takes a duration: Go's form, and days in front ("3d", "1d12h").
type span time.Duration

// String, Set and Type make it a flag.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return render.Age(time.Duration(*s))
}

// Set takes a duration that is longer than nothing.
func (s *span) Set(text string) error {
	d, err := parseSpan(text)
	if err != nil {
		return err
	}
	*s = span(d)
	return nil
}

// Takes says what may be written.
func (s *span) Takes() string { return "a duration like 4h, 90m, 3d or 1d12h, more than nothing" }

// Type names the kind of value in help texts.
func (s *span) Type() string { return "DURATION" }

var errSpan = errors.New("a duration is written like 4h, 90m, 3d or 1d12h")

func parseSpan(text string) (time.Duration, error) {
	var total time.Duration
	days, rest, found := strings.Cut(text, "d")
	if found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errSpan
		}
		total = time.Duration(n) * 24 * time.Hour
	} else {
		rest = text
	}
	if rest != "" || !found {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return 0, errSpan
		}
		total += d
	}
	if total <= 0 {
		return 0, errors.New("a duration is longer than nothing")
	}
	return total, nil
}
