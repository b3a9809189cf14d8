package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hotspare/hotspare/cmd/hotspare/cli"
	"github.com/hotspare/hotspare/scheduler/api"
)

var update = flag.Bool("update", false, "write what the commands give into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hotspare": mainOfScripts})
}

// mainOfScripts is main with a clock that stands, so that what it writes repeats.
func mainOfScripts() {
	ctx, stop := withSignals()
	defer stop()
	env := environment()
	now := scriptNow
	env.Version = "v1.2.3"
	env.Login = func() string { return "anna" }
	env.Clock = cli.Clock{
		Now:   func() time.Time { return now },
		Tick:  func(time.Duration) <-chan time.Time { return nil },
		Pause: func(_ context.Context, d time.Duration) { now = now.Add(d) },
	}
	env.Serve = func(_ context.Context, opts cli.ServeOptions) error {
		fmt.Printf("%+v\n", opts)
		if opts.Dir == "full" {
			return errors.New("the disk is full")
		}
		return nil
	}
	os.Exit(cli.Main(ctx, os.Args[1:], env))
}

// TestScripts runs each script of testdata/script against a fake site, through the real
// handler and the real client. A script says "site NAME" for another site than the first
// of fake_test.go, and "until-watched" to go on once a run is watched.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			f := newFake()
			socket, err := serveFake(env, f)
			if err != nil {
				return err
			}
			env.Setenv("HOTSPARE_SOCKET", socket)
			env.Setenv("TZ", "UTC")
			env.Values["fake"] = f
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"site": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value("fake").(*fake).become(args))
			},
			"until-watched": func(ts *testscript.TestScript, _ bool, _ []string) {
				<-ts.Value("fake").(*fake).watched
			},
			"exit": exitsWith,
			"said": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value("fake").(*fake).said(args))
			},
		},
	})
}

// exitsWith runs hotspare and looks at its exit code: exit 3 reclaim payments.
func exitsWith(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exit CODE ARGS...")
	}
	err := ts.Exec("hotspare", args[1:]...)
	code := "0"
	var ended interface{ ExitCode() int }
	if errors.As(err, &ended) {
		code = fmt.Sprint(ended.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// serveFake serves on a socket with a short path: there is a limit of some 100 bytes.
func serveFake(env *testscript.Env, f *fake) (string, error) {
	dir, err := os.MkdirTemp("", "hs")
	if err != nil {
		return "", err
	}
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: api.Handler(f)}
	go func() { _ = server.Serve(listener) }() // ends with Close
	env.Defer(func() {
		_ = server.Close()
		_ = os.RemoveAll(dir)
	})
	return socket, nil
}
