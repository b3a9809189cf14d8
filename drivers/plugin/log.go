package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// hclogTo gives go-plugin a logger of the kind that it wants, whose lines go to a slog
// logger.
func hclogTo(to *slog.Logger) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "driver", Level: hclog.Debug, Output: lines{to}, JSONFormat: true})
}

// lines takes one JSON line of hclog at a time.
type lines struct{ to *slog.Logger }

func (l lines) Write(data []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		l.to.Info(strings.TrimSpace(string(data)))
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
	for key, value := range fields {
		if !strings.HasPrefix(key, "@") {
			attributes = append(attributes, slog.Any(key, value))
		}
	}
	l.to.LogAttrs(context.Background(), level, message, attributes...)
	return len(data), nil
}
