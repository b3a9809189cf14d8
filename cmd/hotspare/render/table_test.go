package render

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// hostsAt writes a table with a long last column on a terminal of so many columns; 0: into
// a file.
func hostsAt(columns int) string {
	var b strings.Builder
	p := NewPage(&b, false)
	if columns > 0 {
		p.Live(func() int { return columns })
	}
	t := newTable("HOST", ">VMS", "STATE", "WHY")
	t.add(Plain, "esx-1", "12", "connected", "")
	t.add(Plain, "esx-2", "3", "drained", "memory errors in bank four since the morning (maria, 1h ago)")
	p.table("  ", t)
	return b.String()
}

func TestALongLastColumnIsWrappedAtATerminalsWidth(t *testing.T) {
	for columns, want := range map[int]string{
		0: `  HOST   VMS  STATE      WHY
  esx-1   12  connected
  esx-2    3  drained    memory errors in bank four since the morning (maria, 1h ago)
`,
		200: hostsAt(0),
		60: `  HOST   VMS  STATE      WHY
  esx-1   12  connected
  esx-2    3  drained    memory errors in bank four since
                         the morning (maria, 1h ago)
`,
		40: `  HOST   VMS  STATE
  esx-1   12  connected
  esx-2    3  drained
      WHY: memory errors in bank four
      since the morning (maria, 1h ago)
`} {
		got := hostsAt(columns)
		if got != want {
			t.Errorf("at %d columns:\n%swant\n%s", columns, got, want)
		}
		for line := range strings.Lines(got) {
			if columns > 0 && utf8.RuneCountInString(line) > columns {
				t.Errorf("at %d columns a line has %d: %q", columns, utf8.RuneCountInString(line), line)
			}
		}
	}
}

func TestWrappedKeepsEveryLetter(t *testing.T) {
	for _, text := range []string{"", "word", "two words", strings.Repeat("ä", 50), "a " + strings.Repeat("b", 25) + " c"} {
		lines := wrapped(text, 10)
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 10 {
				t.Errorf("wrapped(%q) has the line %q", text, line)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if len(lines) == 0 || bare(strings.Join(lines, "")) != bare(text) {
			t.Errorf("wrapped(%q) = %q", text, lines)
		}
	}
}
