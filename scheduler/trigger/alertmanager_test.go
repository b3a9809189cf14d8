package trigger_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hotspare/hotspare/scheduler/trigger"
)

// The files in testdata were posted by Alertmanager 0.25.
func genuine(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatAlertmanagerPosts(t *testing.T) {
	firing, err := trigger.Alertmanager(genuine(t, "alertmanager-firing.json"), "failover_group")
	if err != nil || len(firing) != 1 {
		t.Fatalf("%v %v", firing, err)
	}
	s := firing[0]
	if !s.Firing || s.Group != "erp-dr" || s.Alert != "ProductionSiteDown" || s.Summary != "Site primary down" ||
		!s.Began.Equal(time.Date(2026, 11, 20, 14, 55, 16, 333e6, time.UTC)) {
		t.Errorf("read as %+v", s)
	}
	resolved, err := trigger.Alertmanager(genuine(t, "alertmanager-resolved.json"), "failover_group")
	if err != nil || len(resolved) != 1 || resolved[0].Firing {
		t.Fatalf("%v %v", resolved, err)
	}
	if resolved[0].Key != s.Key {
		t.Errorf("the end of an alert has another key than its begin: %s, %s", resolved[0].Key, s.Key)
	}
	again, err := trigger.Alertmanager(genuine(t, "alertmanager-firing.json"), "failover_group")
	if err != nil || again[0].Key != s.Key {
		t.Errorf("a repeat has another key: %v, %v", again, err)
	}
	other, err := trigger.Alertmanager([]byte(strings.Replace(string(genuine(t, "alertmanager-firing.json")), "14:55:16", "15:55:16", 1)), "failover_group")
	if err != nil || other[0].Key == s.Key {
		t.Errorf("an alert that began anew has the same key: %v, %v", other, err)
	}
	if none, err := trigger.Alertmanager(genuine(t, "alertmanager-firing.json"), "team"); err != nil || none[0].Group != "" {
		t.Errorf("an alert without the label names %v, %v", none, err)
	}
}

func TestWhatAlertmanagerNeverPosts(t *testing.T) {
	alert := `{"status":"firing","labels":{"g":"a"},"startsAt":"2026-11-20T14:55:16Z","fingerprint":"f"}`
	for what, c := range map[string]struct{ body, says string }{
		"nothing":                 {``, "not what Alertmanager posts"},
		"half a body":             {`{"version":"4",`, "not what Alertmanager posts"},
		"a list":                  {`[]`, "not what Alertmanager posts"},
		"an older version":        {`{"version":"3","alerts":[` + alert + `]}`, `"3"`},
		"no alert":                {`{"version":"4","alerts":[]}`, "no alert"},
		"a status of its own":     {`{"version":"4","alerts":[` + strings.Replace(alert, "firing", "burning", 1) + `]}`, "burning"},
		"no fingerprint":          {`{"version":"4","alerts":[` + strings.Replace(alert, `"f"`, `""`, 1) + `]}`, "fingerprint"},
		"no start":                {`{"version":"4","alerts":[` + strings.Replace(alert, "2026-11-20T14:55:16Z", "0001-01-01T00:00:00Z", 1) + `]}`, "no start"},
		"a start that is no time": {`{"version":"4","alerts":[` + strings.Replace(alert, "2026-11-20T14:55:16Z", "noon", 1) + `]}`, "not what Alertmanager posts"},
		"labels that are numbers": {`{"version":"4","alerts":[` + strings.Replace(alert, `{"g":"a"}`, `{"g":7}`, 1) + `]}`, "not what Alertmanager posts"},
		"1,001 alerts":            {`{"version":"4","alerts":[` + strings.Repeat(alert+",", trigger.MaxAlerts) + alert + `]}`, "at most 1000"},
		"ten MiB":                 {`{"version":"4","x":"` + strings.Repeat("x", 10<<20) + `"}`, "more than"},
		"a million brackets":      {strings.Repeat("[", 1_000_000), "not what Alertmanager posts"},
		"more than is read":       {`{"version":"4","x":"` + strings.Repeat("x", trigger.MaxBody) + `"}`, "more than"},
		"a thousand levels":       {strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "version"},
	} {
		if got, err := trigger.Alertmanager([]byte(c.body), "g"); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, %v; want an error with %q", what, got, err, c.says)
		}
	}
}

func TestEveryAlertOfABodyIsASignal(t *testing.T) {
	var alerts []string
	for i := range 3 {
		alerts = append(alerts, fmt.Sprintf(`{"status":"firing","labels":{"g":"group-%d"},"startsAt":"2026-11-20T14:55:16Z","fingerprint":"f%d"}`, i, i))
	}
	got, err := trigger.Alertmanager([]byte(`{"version":"4","groupKey":"k","alerts":[`+strings.Join(alerts, ",")+`]}`), "g")
	if err != nil || len(got) != 3 {
		t.Fatalf("%v %v", got, err)
	}
	for i, s := range got {
		if s.Group != fmt.Sprintf("group-%d", i) || s.Key == got[(i+1)%3].Key {
			t.Errorf("signal %d is %+v", i, s)
		}
	}
}

func TestAnAlertThatStandsTwiceIsOneSignal(t *testing.T) {
	firing := `{"status":"firing","labels":{"g":"a"},"startsAt":"2026-11-20T14:55:16Z","fingerprint":"f"}`
	elsewhere := strings.Replace(firing, "14:55:16Z", "15:55:16+01:00", 1) // the same instant
	resolved := strings.Replace(firing, "firing", "resolved", 1)
	got, err := trigger.Alertmanager([]byte(`{"version":"4","groupKey":"k","alerts":[`+strings.Join([]string{firing, elsewhere, resolved, firing}, ",")+`]}`), "g")
	if err != nil || len(got) != 2 || !got[0].Firing || got[1].Firing || got[0].Key != got[1].Key {
		t.Errorf("%+v, %v", got, err)
	}
}

// Keys are remembered for good, and texts are shown on terminals.
func TestWhatIsKeptOfAnAlertIsShortAndPrintable(t *testing.T) {
	body := func(groupKey string) []byte {
		data, err := json.Marshal(map[string]any{"version": "4", "groupKey": groupKey, "alerts": []any{map[string]any{
			"status": "firing", "startsAt": "2026-11-20T14:55:16Z", "fingerprint": strings.Repeat("f", 100_000),
			"labels":      map[string]string{"alertname": "Down\x1b[31m\nand out", "g": "a"},
			"annotations": map[string]string{"summary": strings.Repeat("☃", 10_000)}}}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	got, err := trigger.Alertmanager(body(strings.Repeat("k", 100_000)), "g")
	if err != nil {
		t.Fatal(err)
	}
	s := got[0]
	if len(s.Key) > 1100 || s.Alert != "Down [31m and out" || len(s.Summary) > 210 || !utf8.ValidString(s.Summary) {
		t.Errorf("%d bytes of key, alert %q, summary %q", len(s.Key), s.Alert, s.Summary)
	}
	other, err := trigger.Alertmanager(body(strings.Repeat("k", 100_001)), "g")
	if err != nil || other[0].Key == s.Key {
		t.Errorf("two groups have one key: %v", err)
	}
}

func FuzzAlertmanager(f *testing.F) {
	f.Add(genuine(f, "alertmanager-firing.json"))
	f.Add(genuine(f, "alertmanager-resolved.json"))
	f.Add([]byte(`{"version":"4","alerts":[{"status":"firing"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		signals, err := trigger.Alertmanager(body, "failover_group")
		for _, s := range signals {
			if s.Key == "" || len(s.Key) > 1100 || len(s.Summary) > 210 || err != nil {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}
