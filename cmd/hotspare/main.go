// Hotspare lends the idle machines of a recovery site, takes them back for a failover,
// and undoes afterwards every change it made. This one binary is the server and the
// command line.
package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hotspare/hotspare/cmd/hotspare/cli"
	"github.com/hotspare/hotspare/cmd/hotspare/serve"
	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler/api"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string

func main() {
	ctx, stop := withSignals()
	code := cli.Main(ctx, os.Args[1:], environment())
	stop()
	os.Exit(code)
}

// withSignals gives a context that ends with the first Ctrl-C or SIGTERM. A second one
// ends the process.
func withSignals() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func environment() cli.Env {
	return cli.Env{
		Stdout: os.Stdout, Stderr: os.Stderr, Terminal: isTerminal(os.Stdout), Width: columns,
		Getenv: os.Getenv, Login: login, Version: versionOf(), Clock: cli.WallClock(),
		Connect: func(socket string) api.Service { return api.NewClient(socket) },
		Dial: func(address, token string, roots *x509.CertPool) (api.Service, error) {
			return api.NewRemote(address, token, roots)
		},
		Serve: func(ctx context.Context, opts cli.ServeOptions) error {
			return serve.Run(ctx, serve.Options{
				Config: opts.Config, Dev: opts.Dev, Dir: opts.Dir, Socket: opts.Socket,
				Version: versionOf(), Getenv: os.Getenv, Out: os.Stdout, Log: os.Stderr,
			})
		},
		Schema: func(ctx context.Context, driver string) ([]drivers.Attribute, error) {
			return serve.Schema(ctx, driver, os.Getenv)
		},
		Drivers: func() []string { return serve.DriverNames(os.Getenv) },
	}
}

// isTerminal reports whether a person looks at the file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// columns is how wide the terminal is now; 0 where that is not known.
func columns() int {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// login is the person's login name, through sudo as well.
func login() string {
	if name := cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER"), os.Getenv("LOGNAME")); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
