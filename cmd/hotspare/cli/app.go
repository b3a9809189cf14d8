// Package cli is the command line of hotspare: one noun, one verb. Every command but
// server and config validate is a client of the API, and can do nothing that the API
// cannot.
package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Exit codes of hotspare.
const (
	ExitDone        = 0
	ExitFailed      = 1   // or refused, or there is nothing of that name
	ExitUsage       = 2   // wrong use: nothing was tried
	ExitHeld        = 3   // held, or waiting for a person or for room
	ExitInterrupted = 130 // while waiting; the run goes on
)

// ServeOptions is what `hotspare server` was asked for.
type ServeOptions struct {
	Config string // path of the site's files
	Dev    bool   // a simulated site instead, in Dir
	Dir    string
	Socket string // to listen on; empty: as configured
}

// Env is all that the command line needs of the world.
type Env struct {
	Stdout, Stderr io.Writer
	Terminal       bool       // Stdout is a terminal, where colours help
	Width          func() int // its columns now, 0 where unknown; nil: nothing is drawn anew
	Getenv         func(string) string
	Login          func() string // the person's login name, empty where unknown
	Version        string
	Clock          Clock
	// Connect gives the service behind a unix socket, and Dial that at a URL: see
	// [api.NewRemote].
	Connect func(socket string) api.Service
	Dial    func(address, token string, roots *x509.CertPool) (api.Service, error)
	// Serve runs the server until the context ends.
	Serve func(ctx context.Context, opts ServeOptions) error
	// Schema gives the schema of a driver's config block; fs.ErrNotExist where the driver is
	// not on this machine.
	Schema func(ctx context.Context, driver string) ([]drivers.Attribute, error)
	// Drivers names the drivers that are on this machine, and those of hotspare itself.
	Drivers func() []string
}

// Clock is time, as far as waiting needs it.
type Clock struct {
	Now func() time.Time
	// Tick gives a channel that delivers once after d.
	Tick func(d time.Duration) <-chan time.Time
	// Pause returns after d, or when the context ends.
	Pause func(ctx context.Context, d time.Duration)
}

// WallClock is the real one.
func WallClock() Clock {
	return Clock{Now: time.Now, Tick: time.After, Pause: func(ctx context.Context, d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}}
}

// Main runs one command line and gives its exit code. The context ends when the person
// interrupts.
func Main(ctx context.Context, args []string, env Env) int {
	a := &app{Env: env, serve: env.Serve}
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	c, err := root.ExecuteContextC(ctx)
	err = cmp.Or(err, a.misled)
	if err == nil {
		return ExitDone
	}
	var ended *exit
	if errors.As(err, &ended) {
		return ended.code
	}
	if a.outputOf(args) == outputJSON {
		a.output = outputJSON
	}
	return a.report(ctx, suggest(c, err))
}

// app is one invocation.
type app struct {
	Env
	serve  func(context.Context, ServeOptions) error
	socket string
	remote remote
	output outputFormat
	misled error // --help after a command that there is not
}

// service gives the server that the command was told of.
func (a *app) service() api.Service {
	if a.remote.service != nil {
		return a.remote.service
	}
	return a.Connect(a.socket)
}

// page is where people read.
func (a *app) page() *render.Page {
	page := render.NewPage(a.Stdout, a.Terminal && a.Getenv("NO_COLOR") == "")
	if a.Terminal && a.Width != nil {
		page.Live(a.Width)
	}
	return page
}

// show writes an answer: as the API gave it, or as people read it.
func (a *app) show(answer any, people func(*render.Page)) error {
	if a.output == outputJSON {
		return a.json(answer)
	}
	page := a.page()
	people(page)
	return page.Err()
}

// exit ends the command with a code when all has been said.
type exit struct{ code int }

func (e *exit) Error() string { return "exit" }

// command fills in what all commands have in common.
func command(c *cobra.Command) *cobra.Command {
	c.DisableFlagsInUseLine = true
	c.Flags().SortFlags = false
	return c
}
