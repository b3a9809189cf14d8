package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestHelpSaysHow(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"dump", "--help"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		for _, word := range []string{"stays in the foreground", "Usage:", "dump --dir DIR", "Examples:", "--scale", "--stubborn"} {
			if !strings.Contains(out.String(), word) {
				t.Errorf("%v does not say %q:\n%s", args, word, &out)
			}
		}
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for says, args := range map[string][]string{
		"--dir DIR is missing": nil,
		"-dri":                 {"--dri", "x"},
		`"dupm"`:               {"dupm", "--dir", "x"},
		`"x"`:                  {"dump", "--dir", t.TempDir(), "x"},
	} {
		err := run(context.Background(), args, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.HasSuffix(err.Error(), "; see: hotspare-dev-vcenter --help") {
			t.Errorf("%v: %v; want the words %s", args, err, says)
		}
	}
}

// The one site that a directory can have is started, found by the second, told by dump, and
// ends when it is told to.
func TestOneSiteInADirectory(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	out, ended := make(lines, 1), make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--dir", dir, "--scale", "fast"}, out) }()
	var first string
	select {
	case first = <-out:
	case err := <-ended:
		t.Fatal(err)
	}
	var again, dump bytes.Buffer
	if err := run(t.Context(), []string{"--dir", dir}, &again); err != nil || again.String() != first || !strings.HasPrefix(first, "ready https://127.0.0.1:") {
		t.Errorf("the first says %q, the second %q, %v", first, &again, err)
	}
	if err := run(t.Context(), []string{"dump", "--dir", dir}, &dump); err != nil || !strings.Contains(dump.String(), "pay-db-01") {
		t.Errorf("the dump: %v\n%s", err, &dump)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lines gives what is written, write by write.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
