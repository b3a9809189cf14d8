package plugin

import (
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hotspare/hotspare/drivers"
)

// Serve serves a driver until the process that launched this one ends it or is gone. It
// is all that a driver's main does; nothing may have been written to standard output
// before. What the driver logs by the default slog logger reaches the launcher's log.
func Serve(d drivers.Driver) {
	slog.SetDefault(slog.New(stderrHandler()))
	// A line to a launcher that is gone must not end this process alone, before it can end
	// what it started.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go exitWithParent(os.Getppid(), time.Second)
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: handshake(),
		Plugins:         goplugin.PluginSet{dispensed: &glue{driver: d}},
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes))...)
		},
	})
}

// exitWithParent ends this process when the one that launched it is gone: nobody could
// call it any more, and it must not go on working on the site. What this process started
// ends with it, where the launcher gave it a group of its own.
func exitWithParent(parent int, every time.Duration) {
	for range time.Tick(every) {
		if os.Getppid() != parent {
			if syscall.Getpgrp() == os.Getpid() {
				_ = syscall.Kill(0, syscall.SIGKILL) // and what cannot be killed ends below
			}
			os.Exit(1)
		}
	}
}

// stderrHandler writes the lines that go-plugin's launcher takes apart again.
func stderrHandler() slog.Handler {
	return slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.TimeKey:
				return slog.String("@timestamp", a.Value.Time().Format("2006-01-02T15:04:05.000000Z07:00"))
			case slog.LevelKey:
				return slog.String("@level", strings.ToLower(a.Value.String()))
			case slog.MessageKey:
				a.Key = "@message"
			}
			return a
		},
	})
}
