// Package trigger reads signals from monitoring. It is pure: a body in, signals out.
package trigger

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Signal is one alert that names a protection group, or that names none.
type Signal struct {
	// Key is the same for every repeat of the same alert: Alertmanager sends no delivery
	// id, so it is made of the group key, the fingerprint and when the alert began.
	Key     string
	Group   string // the label's value; empty where the alert has no such label
	Firing  bool
	Alert   string // its name, as one short line
	Summary string // as one short line
	Began   time.Time
}

// MaxBody is the largest body of a signal that is read, in bytes. MaxAlerts is how many
// alerts one may hold.
const (
	MaxBody   = 1 << 20
	MaxAlerts = 1000
)

// webhook is what Alertmanager posts, in its version 4, as far as it matters here.
type webhook struct {
	Version  string `json:"version"`
	GroupKey string `json:"groupKey"`
	Alerts   []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		Fingerprint string            `json:"fingerprint"`
	} `json:"alerts"`
}

// Alertmanager reads the body that Alertmanager's webhook receiver posts. label is the
// name of the label that names the protection group. An alert that stands in the body
// twice is one signal.
func Alertmanager(body []byte, label string) ([]Signal, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("the body has more than %d bytes; group fewer alerts into one notification", MaxBody)
	}
	var hook webhook
	if err := json.Unmarshal(body, &hook); err != nil {
		return nil, fmt.Errorf("the body is not what Alertmanager posts: %w", err)
	}
	switch {
	case hook.Version != "4":
		return nil, fmt.Errorf("the body is of webhook version %q, and only version \"4\" is known", hook.Version)
	case len(hook.Alerts) == 0:
		return nil, errors.New("the body holds no alert")
	case len(hook.Alerts) > MaxAlerts:
		return nil, fmt.Errorf("the body holds %d alerts, and at most %d are read; group fewer into one notification", len(hook.Alerts), MaxAlerts)
	}
	signals, seen := make([]Signal, 0, len(hook.Alerts)), map[Signal]bool{}
	for i, alert := range hook.Alerts {
		if alert.Status != "firing" && alert.Status != "resolved" {
			return nil, fmt.Errorf("alert %d has the status %q, neither firing nor resolved", i+1, alert.Status)
		}
		if alert.Fingerprint == "" || alert.StartsAt.IsZero() {
			return nil, fmt.Errorf("alert %d has no fingerprint or no start: its repeats could not be told from it", i+1)
		}
		signal := Signal{
			Key:    short(hook.GroupKey) + "|" + short(alert.Fingerprint) + "|" + alert.StartsAt.UTC().Format(time.RFC3339Nano),
			Group:  alert.Labels[label],
			Firing: alert.Status == "firing",
			Alert:  line(alert.Labels["alertname"]), Summary: line(alert.Annotations["summary"]),
			Began: alert.StartsAt.UTC(),
		}
		if !seen[signal] {
			seen[signal] = true
			signals = append(signals, signal)
		}
	}
	return signals, nil
}

// Keys are remembered for good, and names and summaries go into journals and terminals: a
// key has at most longestKey bytes of each part, and a text longestText, all printable.
const (
	longestKey  = 512
	longestText = 200
)

// short gives a part of a key, or a digest of it where it is long.
func short(part string) string {
	if len(part) <= longestKey {
		return part
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(part)))
}

// line makes a text one line that a terminal shows as it is.
func line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return text
}
