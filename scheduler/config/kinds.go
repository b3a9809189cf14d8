package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// kind is the type of an attribute: how it is read and how a person is told of it.
type kind struct {
	name    string // in the reference
	example string // as written in a file
	read    func(cty.Value) (any, *flaw)
}

// The kinds that hold one string. The string is not empty and has no control characters,
// but for anyText.
var (
	text            = textKind("text", `"…"`, nil)
	reference       = textKind("name", `"…"`, nil)
	driverName      = textKind("name", `"vsphere"`, checkName)
	folder          = textKind("path", `"/var/lib/hotspare"`, nil)
	secretFile      = textKind("path", `"am.token"`, nil)
	certificateFile = textKind("path", `"tls.pem"`, nil)
	keyFile         = textKind("path", `"tls.key"`, nil)
	socket          = textKind("path", `"/run/hotspare/hotspare.sock"`, nil)
	uuid            = textKind("UUID", `"4c4c4544-0042-3510-8053-b4c04f4a4e31"`, checkUUID)
	address         = textKind("URL", `"http://10.0.0.7/healthz"`, checkURL)
	hostPort        = textKind("address", `"10.0.0.7:5432"`, func(s string) *flaw { return checkHostPort(s, false) })
	listenAddress   = textKind("address", `"127.0.0.1:7780"`, func(s string) *flaw { return checkHostPort(s, true) })
	alertLabel      = textKind("label", `"failover_group"`, checkAlertLabel)
	anyText         = kind{"text", `"…"`, func(v cty.Value) (any, *flaw) { return readString(v, `"…"`) }}
)

// The kinds that hold something else.
var (
	duration = kind{"duration", `"15m"`, func(v cty.Value) (any, *flaw) {
		return readParsed(v, `"15m", "4h" or "3d"`, parseDuration)
	}}
	size = kind{"size", `"4GiB"`, func(v cty.Value) (any, *flaw) {
		return readParsed(v, `"512MiB" or "4GiB"`, parseSize)
	}}
	percent = kind{"percent", `"10%"`, func(v cty.Value) (any, *flaw) {
		return readParsed(v, `"10%"`, parsePercent)
	}}
	count   = kind{"whole number", "1", readCount}
	ratio   = kind{"number", "4", readRatio}
	texts   = kind{"list of texts", `["a", "b"]`, func(v cty.Value) (any, *flaw) { return readTexts(v, `["a", "b"]`, true) }}
	command = kind{"list of texts", `["/usr/local/bin/check", "pay"]`, readCommand}
)

func textKind(name, example string, check func(string) *flaw) kind {
	return kind{name, example, func(v cty.Value) (any, *flaw) {
		s, wrong := readString(v, example)
		if wrong == nil {
			wrong = checkText(s)
		}
		if wrong == nil && check != nil {
			wrong = check(s)
		}
		return s, wrong
	}}
}

// choice is one of a few words.
func choice(words ...string) kind {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	example := strings.Join(quoted, " or ")
	return kind{example, example, func(v cty.Value) (any, *flaw) {
		s, wrong := readString(v, example)
		if wrong != nil {
			return nil, wrong
		}
		for _, w := range words {
			if s == w {
				return s, nil
			}
		}
		return nil, &flaw{fmt.Sprintf("is %q", s), "write " + example}
	}}
}

// ofType says that a value has another type than the example.
func ofType(v cty.Value, example string) *flaw {
	return &flaw{"is " + typeName(v), "write it as " + example}
}

func readString(v cty.Value, example string) (string, *flaw) {
	if v.IsNull() || v.Type() != cty.String {
		return "", ofType(v, example)
	}
	return v.AsString(), nil
}

// readParsed reads a string with a parser that gives its own flaw.
func readParsed[T any](v cty.Value, example string, parse func(string) (T, *flaw)) (any, *flaw) {
	s, wrong := readString(v, example)
	if wrong != nil {
		return nil, wrong
	}
	return parse(s)
}

func readCount(v cty.Value) (any, *flaw) {
	const most = 1_000_000
	n, wrong := readNumber(v, "1")
	switch {
	case wrong != nil:
		return nil, wrong
	case n != float64(int(n)):
		return nil, &flaw{fmt.Sprintf("is %v, which is no whole number", n), "write 1 or more"}
	case n < 1:
		return nil, &flaw{fmt.Sprintf("is %v, which is less than 1", n), "write 1 or more"}
	case n > most:
		return nil, &flaw{fmt.Sprintf("is %v, which is more than %d", n, most), "write a smaller number"}
	}
	return int(n), nil
}

func readRatio(v cty.Value) (any, *flaw) {
	const most = 100
	n, wrong := readNumber(v, "4")
	switch {
	case wrong != nil:
		return nil, wrong
	case n <= 0:
		return nil, &flaw{fmt.Sprintf("is %v, which is not more than 0", n), "write a number such as 4 or 1.5"}
	case n > most:
		return nil, &flaw{fmt.Sprintf("is %v, which is more than %d", n, most), "write a number such as 4 or 1.5"}
	}
	return n, nil
}

func readNumber(v cty.Value, example string) (float64, *flaw) {
	if v.IsNull() || v.Type() != cty.Number {
		return 0, ofType(v, example)
	}
	n, _ := v.AsBigFloat().Float64()
	return n, nil
}

// readTexts reads a list that is not empty. Where each text may stand once, a second one
// is a flaw.
func readTexts(v cty.Value, example string, once bool) ([]string, *flaw) {
	if v.IsNull() || !v.Type().IsTupleType() {
		return nil, ofType(v, example)
	}
	all := []string{}
	seen := map[string]bool{}
	for _, element := range v.AsValueSlice() {
		s, wrong := readString(element, "")
		if wrong != nil {
			return nil, &flaw{fmt.Sprintf("holds %s at place %d", typeName(element), len(all)+1), "write it as " + example}
		}
		if wrong := checkText(s); wrong != nil {
			return nil, &flaw{fmt.Sprintf("at place %d %s", len(all)+1, wrong.summary), wrong.hint}
		}
		if once && seen[s] {
			return nil, &flaw{fmt.Sprintf("holds %q twice", s), "take one of them out"}
		}
		seen[s] = true
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, &flaw{"is an empty list", "write at least one, as " + example}
	}
	return all, nil
}

func readCommand(v cty.Value) (any, *flaw) {
	return readTexts(v, `["/usr/local/bin/check", "pay"]`, false)
}

// typeName says what a value is, without the value: it may be a secret.
func typeName(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t == cty.String:
		return "a text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "a bool"
	case t.IsTupleType():
		return "a list"
	default:
		return "a map"
	}
}

// longest is the longest duration that a file may hold.
const longest = 10 * 365 * 24 * time.Hour
