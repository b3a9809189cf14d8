package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const longestName = 63

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	uuidForm  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	daysForm  = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)
	sizeForm  = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?) ?(MiB|GiB|TiB)$`)
)

// checkName checks a name of ours: it becomes a part of identifiers.
func checkName(s string) *flaw {
	if !nameForm.MatchString(s) {
		return &flaw{fmt.Sprintf("is %q, which cannot be a part of identifiers", s), "write lower-case letters, digits and dashes, the first no dash"}
	}
	if len(s) > longestName {
		return &flaw{fmt.Sprintf("has %d letters", len(s)), fmt.Sprintf("write %d at most", longestName)}
	}
	return nil
}

// checkText checks a name that a hypervisor or a person gave.
func checkText(s string) *flaw {
	if strings.TrimSpace(s) == "" {
		return &flaw{"is empty", "write a text"}
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return &flaw{"holds a control character", "write it on one line, without tabs"}
	}
	return nil
}

func checkUUID(s string) *flaw {
	if !uuidForm.MatchString(s) {
		return &flaw{fmt.Sprintf("is %q, which is no UUID", s), `write it as "4c4c4544-0042-3510-8053-b4c04f4a4e31"`}
	}
	return nil
}

func checkAlertLabel(s string) *flaw {
	if !labelForm.MatchString(s) {
		return &flaw{fmt.Sprintf("is %q, which no label of an alert can be called", s), "write letters, digits and underscores, the first no digit"}
	}
	return nil
}

// checkURL checks a URL for readiness. It must hold no account: plans and journals keep
// it.
func checkURL(s string) *flaw {
	const example = `write it as "http://10.0.0.7/healthz"`
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return &flaw{"is no URL", example}
	case u.User != nil:
		return &flaw{"holds an account, which would be kept in the journal", "check a page that asks for none, or use a command"}
	case u.Scheme != "http" && u.Scheme != "https":
		return &flaw{fmt.Sprintf("is %q, which is no http or https URL", s), example}
	case u.Hostname() == "":
		return &flaw{fmt.Sprintf("is %q, which names no host", s), example}
	}
	return nil
}

// checkHostPort checks an address. To listen, the host may be left out and the port may
// be 0.
func checkHostPort(s string, listen bool) *flaw {
	example := `write it as "10.0.0.7:5432"`
	if listen {
		example = `write it as "127.0.0.1:7780"`
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return &flaw{fmt.Sprintf("is %q, which has no port", s), example}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (n == 0 && !listen) {
		return &flaw{fmt.Sprintf("has the port %q, which is no number from 1 to 65535", port), example}
	}
	if host == "" && !listen {
		return &flaw{fmt.Sprintf("is %q, which names no host", s), example}
	}
	return nil
}

// parseDuration reads Go's form, with whole days in front: "90s", "7d", "1d12h".
func parseDuration(s string) (time.Duration, *flaw) {
	const example = `write it as "90s", "15m", "4h" or "3d"`
	rest, days := s, 0
	if m := daysForm.FindStringSubmatch(s); m != nil {
		days, _ = strconv.Atoi(m[1])
		rest = m[2]
	}
	var d time.Duration
	if rest != "" || days == 0 && rest == s {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || days > 0 && d < 0 {
			return 0, &flaw{fmt.Sprintf("is %q, which is no duration", s), example}
		}
	}
	switch {
	case d <= 0 && days == 0:
		return 0, &flaw{fmt.Sprintf("is %q, which is not more than 0", s), example}
	case days > int(longest/(24*time.Hour)) || d > longest:
		return 0, &flaw{fmt.Sprintf("is %q, which is more than ten years", s), example}
	}
	return d + time.Duration(days)*24*time.Hour, nil
}

// parseSize reads a size and gives it in MiB.
func parseSize(s string) (int64, *flaw) {
	const example = `write it as "512MiB" or "4GiB"`
	const most = 64 << 20 // 64 TiB
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, &flaw{fmt.Sprintf("is %q, which is no size", s), example}
	}
	n, err := strconv.ParseFloat(m[1], 64)
	n *= map[string]float64{"MiB": 1, "GiB": 1 << 10, "TiB": 1 << 20}[m[2]]
	switch {
	case err != nil || n > most:
		return 0, &flaw{fmt.Sprintf("is %q, which is more than 64 TiB", s), example}
	case n <= 0:
		return 0, &flaw{fmt.Sprintf("is %q, which is not more than 0", s), example}
	case n != math.Trunc(n):
		return 0, &flaw{fmt.Sprintf("is %q, which is no whole number of MiB", s), example}
	}
	return int64(n), nil
}

// parsePercent reads a share and gives it as 0 to 1, the 1 left out.
func parsePercent(s string) (float64, *flaw) {
	const example = `write it as "10%"`
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case !ok || err != nil || math.IsNaN(n):
		return 0, &flaw{fmt.Sprintf("is %q, which is no percentage", s), example}
	case n < 0 || n >= 100:
		return 0, &flaw{fmt.Sprintf("is %q, which is not from 0%% to less than 100%%", s), example}
	}
	return n / 100, nil
}
