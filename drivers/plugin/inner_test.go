package plugin

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

func TestFailuresHold(t *testing.T) {
	crash := errors.New("crash")
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	f := failures{after: 3, within: 10 * time.Second}
	for i, test := range []struct {
		err   error
		at    int
		clear bool
		want  bool
	}{
		{crash, 0, false, false},
		{crash, 6, false, false},
		{crash, 12, false, false}, // three, but not within 10 s
		{crash, 15, false, true},
		{crash, 1000, false, true}, // until it works
		{crash, 1001, true, false},
		{crash, 1002, false, false},
		{&drivers.Error{Kind: drivers.Refused, Cause: crash}, 2000, true, true}, // no launch mends it
	} {
		if test.clear {
			f.clear()
		}
		if got := f.add(test.err, at(test.at)); got != test.want {
			t.Errorf("failure %d: held is %t", i, got)
		}
	}
}

func TestTheLogsBudget(t *testing.T) {
	var out bytes.Buffer
	b := bounded{to: slog.New(slog.NewTextHandler(&out, nil)), budget: &budget{}}
	long := strings.Repeat("x", 3*lineMost)
	for range 1000 {
		b.log(slog.LevelInfo, long, slog.String("key", long))
	}
	if n := out.Len(); n > budgetBytes+budgetBytes/10 || n < budgetBytes/2 {
		t.Errorf("%d bytes", n)
	}
	b.log(slog.LevelError, "a reason") // is not lost in the noise
	if !strings.Contains(out.String(), "a reason") {
		t.Error("an error was dropped")
	}
	b.budget.began = b.budget.began.Add(-budgetEvery)
	b.log(slog.LevelInfo, "the next minute")
	if text := out.String(); !strings.Contains(text, "lines were dropped") || !strings.Contains(text, "the next minute") {
		t.Error(text[len(text)-300:])
	}
}

func TestLastWords(t *testing.T) {
	for want, tail := range map[string]string{
		"":                    "",
		"no library":          "a\nno library\n\n",
		"panic: boom":         "a\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n",
		"fatal error: memory": "fatal error: memory\n" + strings.Repeat("goroutine\n", 100),
	} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l := lastLines{pipe: in, ended: make(chan struct{})}
		go func() { _, _ = out.WriteString(tail); out.Close() }() // nobody closes the other end before
		for err == nil {
			_, err = l.Read(make([]byte, 7))
		}
		if got := l.words(); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	if got := short(strings.Repeat("€", 200)); len(got) > 330 || !strings.Contains(got, "(600 bytes)") {
		t.Error(got)
	}
}
