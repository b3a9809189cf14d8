package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// A driver may log so many bytes in so long a time, those of warnings and errors counted
// apart; what goes beyond is dropped and counted. The disk that the log fills is the one
// that the journal needs.
const (
	budgetBytes = 1 << 20
	budgetEvery = time.Minute
	lineMost    = 8 << 10 // longer texts are cut
)

// budget is how much a driver may still log.
type budget struct {
	mu      sync.Mutex
	began   time.Time
	used    [2]int // by whether it is a warning or an error
	dropped int
}

// take says whether so many bytes may be logged, and how many lines were dropped in a time
// that is over now.
func (b *budget) take(level slog.Level, n int, now time.Time) (ok bool, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= budgetEvery {
		dropped = b.dropped
		b.began, b.used, b.dropped = now, [2]int{}, 0
	}
	used := &b.used[0]
	if level >= slog.LevelWarn {
		used = &b.used[1]
	}
	if *used+n > budgetBytes {
		b.dropped++
		return false, dropped
	}
	*used += n
	return true, dropped
}

// bounded is a logger with a budget.
type bounded struct {
	to     *slog.Logger
	budget *budget
}

func (b bounded) log(level slog.Level, message string, attributes ...slog.Attr) {
	if !b.to.Enabled(context.Background(), level) {
		return
	}
	size := len(cut(message))
	for i, a := range attributes {
		if text := a.Value.String(); len(text) > lineMost {
			attributes[i] = slog.String(a.Key, cut(text))
		}
		size += len(a.Key) + min(lineMost, len(a.Value.String()))
	}
	ok, dropped := b.budget.take(level, size, time.Now())
	if dropped > 0 {
		b.to.Warn("the driver logged too much, and lines were dropped", "lines", dropped)
	}
	if ok {
		b.to.LogAttrs(context.Background(), level, cut(message), attributes...)
	}
}

func cut(text string) string {
	if len(text) <= lineMost {
		return text
	}
	return strings.ToValidUTF8(text[:lineMost], "") + "..."
}

// printed logs what a driver prints where it should log.
type printed struct{ to bounded }

func (p printed) Write(data []byte) (int, error) {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			p.to.log(slog.LevelInfo, line)
		}
	}
	return len(data), nil
}

// hclogTo gives go-plugin a logger of the kind that it wants.
func hclogTo(to bounded) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "driver", Level: hclog.Debug, Output: lines{to}, JSONFormat: true})
}

// lines takes one JSON line of hclog at a time.
type lines struct{ to bounded }

func (l lines) Write(data []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		l.to.log(slog.LevelInfo, strings.TrimSpace(string(data)))
		return len(data), nil
	}
	message, _ := fields["@message"].(string)
	name, _ := fields["@level"].(string)
	level := slog.LevelInfo
	switch name {
	case "trace", "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	var attributes []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !strings.HasPrefix(key, "@") {
			attributes = append(attributes, slog.Any(key, fields[key]))
		}
	}
	l.to.log(level, message, attributes...)
	return len(data), nil
}
