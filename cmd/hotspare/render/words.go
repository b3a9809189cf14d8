package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hotspare/hotspare/scheduler"
)

// Age gives a duration as [scheduler.Span] does.
func Age(d time.Duration) string { return scheduler.Span(d) }

// memory gives a number of MiB as people say it: "512 MiB", "8 GiB", "57.6 GiB".
func memory(mib int64) string {
	if -1024 < mib && mib < 1024 {
		return fmt.Sprintf("%d MiB", mib)
	}
	return strconv.FormatFloat(math.Round(float64(mib)/102.4)/10, 'f', -1, 64) + " GiB"
}

// Took gives a measured time: "380ms", "9.8s", and from a minute on as [Age].
func Took(d time.Duration) string {
	switch {
	case d < 0:
		return "0ms"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	default:
		return Age(d)
	}
}

// Stamp gives an instant in the local zone, "-" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.RFC3339)
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Age(max(now.Sub(t), 0)) + " ago"
}

// count gives "no steps", "1 step", "3 steps".
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}

// ranges gives sorted numbers compactly: "1,3-5", "-" for none.
func ranges(numbers []int) string {
	if len(numbers) == 0 {
		return "-"
	}
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		switch first, last := strconv.Itoa(numbers[i]), strconv.Itoa(numbers[j]); j - i {
		case 0:
			parts = append(parts, first)
		case 1:
			parts = append(parts, first, last)
		default:
			parts = append(parts, first+"-"+last)
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// shorten cuts a text that is longer than width. Of a path it keeps the end, which tells
// endpoints apart, and prefers to cut before a slash; of any other text the beginning.
func shorten(text string, width int) string {
	length := utf8.RuneCountInString(text)
	if length <= width {
		return text
	}
	if !strings.Contains(text, "/") {
		return string([]rune(text)[:width-1]) + "…"
	}
	end := string([]rune(text)[length-width+1:])
	if slash := strings.IndexByte(end, '/'); slash > 0 && slash < width/2 {
		end = end[slash:]
	}
	return "…" + end
}

// fromTo is a step's change in a cell.
func fromTo(from, to string) string {
	const width = 36
	from, to = shorten(from, width), shorten(to, width)
	switch {
	case from == "":
		return to
	case to == "":
		return from
	}
	return from + " → " + to
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return `"` + name + `"`
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
