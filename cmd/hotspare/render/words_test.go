package render

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 400 * time.Millisecond: "0s", 16 * time.Second: "16s", 256 * time.Second: "4m16s", 15 * time.Minute: "15m",
		222 * time.Minute: "3h42m", 36 * time.Hour: "36h", 72 * time.Hour: "3d", 76 * time.Hour: "3d4h", -time.Minute: "-1m",
		59*time.Second + 600*time.Millisecond: "1m",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 380 * time.Millisecond: "380ms", 9800 * time.Millisecond: "9.8s", 59949 * time.Millisecond: "59.9s",
		59960 * time.Millisecond: "1m", 256 * time.Second: "4m16s",
	} {
		if got := Took(d); got != want {
			t.Errorf("Took(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"-": nil, "1": {1}, "1,2": {1, 2}, "1-3": {1, 2, 3}, "1,3-5,9": {1, 3, 4, 5, 9}} {
		if got := ranges(numbers); got != want {
			t.Errorf("ranges(%v) = %s, want %s", numbers, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	for mib, want := range map[int64]string{0: "0 MiB", 512: "512 MiB", 1024: "1 GiB", 8192: "8 GiB", 58983: "57.6 GiB", 65536: "64 GiB", 65535: "64 GiB", -2048: "-2 GiB"} {
		if got := memory(mib); got != want {
			t.Errorf("memory(%d) = %s, want %s", mib, got, want)
		}
	}
}

// The end of an endpoint is kept, and the beginning of what is none; no rune is cut in two.
func TestShorten(t *testing.T) {
	for _, text := range []string{"short", "[LocalDS_1] hotspare/dr-east/ws-7/root.vmdk", strings.Repeat("ü", 40), strings.Repeat("x", 40)} {
		got := shorten(text, 20)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 20 || !strings.Contains(text, strings.Trim(got, "…")) {
			t.Errorf("shorten(%q) = %q", text, got)
		}
	}
	if got, want := fromTo("", "clone of erp-db-01-root@2026-11-20T14:51:00Z"), "clone of erp-db-01-root@2026-11-20T…"; got != want {
		t.Errorf("it cuts %q, want %q", got, want)
	}
	if got, want := shorten("[LocalDS_1] hotspare/dr-east/ws-7/root.vmdk", 20), "…/ws-7/root.vmdk"; got != want {
		t.Errorf("it cuts %q, want %q", got, want)
	}
}

// Names come from developers; a terminal must not obey them.
func TestPageIsClean(t *testing.T) {
	var b strings.Builder
	p := NewPage(&b, false)
	p.Line(Alarm, "a\x1b[2Jb\nc\u202ed")
	tab := newTable("X")
	tab.add(Plain, "e\x07f")
	p.table("", tab)
	if want := "a[2Jb cd\nX\nef\n"; b.String() != want {
		t.Errorf("it writes %q, want %q", b.String(), want)
	}
}

func TestColourIsForTerminals(t *testing.T) {
	for colour, want := range map[bool]string{false: "x\n", true: "\x1b[1;31mx\x1b[0m\n"} {
		var b strings.Builder
		NewPage(&b, colour).Line(Alarm, "x")
		if b.String() != want {
			t.Errorf("with colour %t: %q, want %q", colour, b.String(), want)
		}
	}
}
