package plugin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hotspare/hotspare/drivers"
)

// Config says how a driver's process is run. Only Binary must be given.
type Config struct {
	Binary string       // path of the driver's binary
	Logger *slog.Logger // gets what the process logs; nil: slog's default
	// TempDir takes a folder for each launch, with the socket; empty: the system's. A
	// socket's path must be shorter than 108 bytes.
	TempDir      string
	Env          []string      // "KEY=value" for the process, beside PATH; it inherits nothing else
	StartTimeout time.Duration // 0: 10 s
	PingEvery    time.Duration // how often the process is asked for a sign of life; 0: 2 s
	PingTimeout  time.Duration // without one for so long it is killed; 0: 5 s
	BackoffFirst time.Duration // before the first relaunch, doubled for each that follows; 0: 50 ms
	BackoffMost  time.Duration // 0: 30 s
	// Patience is how long a call waits for a driver that is being launched again, before
	// it fails as Unavailable. 0: 2 s
	Patience time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for field, fallback := range map[*time.Duration]time.Duration{
		&c.StartTimeout: 10 * time.Second, &c.PingEvery: 2 * time.Second, &c.PingTimeout: 5 * time.Second,
		&c.BackoffFirst: 50 * time.Millisecond, &c.BackoffMost: 30 * time.Second, &c.Patience: 2 * time.Second,
	} {
		if *field <= 0 {
			*field = fallback
		}
	}
	return c
}

// killWait bounds the time that the end of a killed process is waited for.
const killWait = 5 * time.Second

// Process is one running driver process. It is never launched again; see [Supervise].
type Process struct {
	drivers.Driver // over the process's socket

	config Config
	client *goplugin.Client
	cmd    *exec.Cmd
	folder string
	conn   *grpc.ClientConn
	gone   <-chan struct{}

	kill   sync.Once
	done   chan struct{}
	mu     sync.Mutex
	reason error // why it was killed
}

// Launch starts a driver's process, verifies its checksum and its contract, and asks it
// for signs of life until it ends. The caller ends it with Kill.
func Launch(ctx context.Context, config Config) (*Process, error) {
	config = config.withDefaults()
	fail := func(err error) error {
		return &drivers.Error{Kind: drivers.Unavailable, Op: "launch driver", Object: config.Binary, Cause: err, Next: "look at the driver's log"}
	}
	binary, err := filepath.Abs(config.Binary)
	if err != nil {
		return nil, fail(err)
	}
	sum, err := readChecksum(binary)
	if err != nil {
		return nil, &drivers.Error{Kind: drivers.Refused, Op: "launch driver", Object: config.Binary, Cause: err}
	}
	p, err := prepare(config, binary, sum)
	if err != nil {
		return nil, fail(err)
	}
	started := make(chan error, 1)
	go func() { started <- p.start() }()
	select {
	case err = <-started:
	case <-ctx.Done():
		// Starting cannot be broken off, and ends by its own timeout.
		go func() { <-started; p.Kill(ctx.Err()) }()
		return nil, ctx.Err()
	}
	if err == nil {
		err = p.checkContract(ctx)
	}
	if err != nil {
		p.Kill(err)
		if errors.Is(err, goplugin.ErrChecksumsDoNotMatch) {
			return nil, &drivers.Error{
				Kind: drivers.Refused, Op: "launch driver", Object: config.Binary, Cause: fmt.Errorf("its SHA-256 is not the one in %s", ChecksumFile(binary)),
				Next: "run make build, or install the driver again",
			}
		}
		var e *drivers.Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, fail(err)
	}
	go p.watch()
	return p, nil
}

func prepare(config Config, binary string, sum []byte) (*Process, error) {
	folder, err := os.MkdirTemp(config.TempDir, "driver")
	if err != nil {
		return nil, err
	}
	if longest := len(folder) + len("/plugin4294967295"); longest >= 108 {
		os.Remove(folder)
		return nil, fmt.Errorf("the socket's path in %s would have %d bytes, and 107 are possible: choose a shorter temporary folder", folder, longest)
	}
	cmd := exec.Command(binary)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + folder, goplugin.EnvUnixSocketDir + "=" + folder,
	}, config.Env...)
	// A group of its own: whatever the driver starts is killed with it, and a Ctrl-C at
	// the terminal reaches the launcher alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &Process{config: config, cmd: cmd, folder: folder, done: make(chan struct{})}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          goplugin.PluginSet{dispensed: &glue{}},
		Cmd:              cmd,
		SecureConfig:     &goplugin.SecureConfig{Checksum: sum, Hash: sha256.New()},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     config.StartTimeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: folder},
		Logger:           hclogTo(config.Logger),
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes),
		)},
	})
	return p, nil
}

func (p *Process) start() error {
	if _, err := p.client.Start(); err != nil {
		return err
	}
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(dispensed)
	if err != nil {
		return err
	}
	c := raw.(*connection) // the only thing that glue gives
	p.conn, p.gone, p.Driver = c.conn, c.gone, NewProxy(c.conn)
	return nil
}

func (p *Process) checkContract(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.StartTimeout)
	defer cancel()
	d, err := p.Describe(ctx)
	if err != nil {
		return err
	}
	if d.Contract != drivers.ContractVersion {
		return &drivers.Error{
			Kind: drivers.Refused, Op: "launch driver", Object: p.config.Binary,
			Cause: fmt.Errorf("it is of contract version %d, this hotspare is of %d", d.Contract, drivers.ContractVersion),
			Next:  "install the driver that came with this hotspare",
		}
	}
	return nil
}

// watch kills the process when it gives no sign of life: one that hangs is never noticed
// otherwise, and calls to it would wait for ever.
func (p *Process) watch() {
	ticks := time.NewTicker(p.config.PingEvery)
	defer ticks.Stop()
	for {
		select {
		case <-p.gone:
			p.Kill(errors.New("the process ended by itself"))
			return
		case <-p.done:
			return
		case <-ticks.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), p.config.PingTimeout)
		_, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
		cancel()
		if err != nil {
			p.Kill(fmt.Errorf("no sign of life: %w", err))
			return
		}
	}
}

// PID gives the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended, or was killed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err gives why the process ended; nil while it runs.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// Kill ends the process and what it started, at once, and gives back what it took. It
// returns after at most a few seconds, also where the process hangs.
func (p *Process) Kill(reason error) {
	p.kill.Do(func() {
		p.mu.Lock()
		p.reason = reason
		p.mu.Unlock()
		if p.cmd.Process != nil {
			// The group first, while its leader still keeps the id from being given anew.
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
			_ = p.cmd.Process.Kill()                              // likewise
		}
		ended := make(chan struct{})
		// go-plugin's own Kill has no limit of time, and is needed to reap the process.
		go func() { defer close(ended); p.client.Kill(); _ = os.RemoveAll(p.folder) }()
		select {
		case <-ended:
		case <-time.After(killWait):
			p.config.Logger.Warn("the end of a killed driver takes long", "driver", p.config.Binary)
		}
		close(p.done)
	})
	<-p.done
}
