package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/hotspare/hotspare/drivers"
)

// Launch starts a driver's process, verifies its checksum and its contract, and asks it
// for signs of life until it ends. The caller ends it with Kill. Where it fails, also
// because ctx ended, no process is left.
//
// An error of kind Refused is one that no other launch mends; the others are Unavailable.
func Launch(ctx context.Context, config Config) (*Process, error) {
	return launch(ctx, config, func(*Process) {})
}

// launch is Launch, with a function that is called at each sign of life.
func launch(ctx context.Context, config Config, alive func(*Process)) (*Process, error) {
	config = config.withDefaults()
	binary, sum, err := admit(config.Binary)
	if err != nil {
		return nil, err
	}
	p, err := prepare(config, binary, sum)
	if err != nil {
		return nil, launchError(config.Binary, drivers.Unavailable, err, "make room in the temporary folder, or name a shorter one")
	}
	bounded, cancel := context.WithTimeout(ctx, config.StartTimeout)
	defer cancel()
	go func() { defer close(p.started); p.startError = p.start() }()
	select {
	case <-p.started:
		err = p.startError
	case <-bounded.Done():
		err = bounded.Err()
	}
	if err == nil {
		err = p.describe(bounded)
	}
	if err != nil {
		if over(ctx, err) {
			err = cmp.Or(ctx.Err(), context.DeadlineExceeded)
		} else {
			err = p.explain(err)
		}
		p.Kill(err)
		return nil, err
	}
	go p.watch(alive)
	return p, nil
}

func launchError(binary string, kind drivers.ErrorKind, cause error, next string) *drivers.Error {
	return &drivers.Error{Kind: kind, Op: "launch driver", Object: binary, Cause: cause, Next: next}
}

// admit says whether a binary may be run at all, and gives its full path and its checksum.
func admit(path string) (string, []byte, error) {
	refuse := func(cause error, next string) error { return launchError(path, drivers.Refused, cause, next) }
	binary, err := filepath.Abs(path)
	if err != nil {
		return "", nil, refuse(err, "give the full path of the driver's binary")
	}
	info, err := os.Stat(binary)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, refuse(errors.New("there is no such file"), "install the driver there")
	case err != nil:
		return "", nil, refuse(err, "let the user that hotspare runs as reach it")
	case !info.Mode().IsRegular():
		return "", nil, refuse(fmt.Errorf("it is no regular file (%s)", info.Mode()), "install the driver there")
	case info.Mode().Perm()&0o111 == 0:
		return "", nil, refuse(fmt.Errorf("it is not executable (%s)", info.Mode()), "run chmod +x "+binary)
	}
	sum, err := readChecksum(binary)
	if err != nil {
		return "", nil, refuse(err, "run make build, or install the driver again with its checksum")
	}
	return binary, sum, nil
}

func prepare(config Config, binary string, sum []byte) (*Process, error) {
	folder, err := os.MkdirTemp(config.TempDir, "driver")
	if err != nil {
		return nil, err
	}
	if longest := len(folder) + len("/plugin4294967295"); longest >= 108 {
		os.Remove(folder)
		return nil, fmt.Errorf("the socket's path in %s would have %d bytes, and 107 are possible", folder, longest)
	}
	r := newRunner(binary, sum, append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + folder}, config.Env...))
	p := &Process{config: config, runner: r, folder: folder, started: make(chan struct{}), done: make(chan struct{})}
	log := bounded{to: config.Logger, budget: config.budget}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: handshake(),
		Plugins:         goplugin.PluginSet{dispensed: &glue{}},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (gorunner.Runner, error) {
			r.cmd.Env = append(append(r.cmd.Env, spec.Env...), goplugin.EnvUnixSocketDir+"="+folder)
			return r, nil
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     config.StartTimeout + time.Second, // launch keeps the true one
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: folder},
		Logger:           hclogTo(log),
		SyncStdout:       printed{log},
		SyncStderr:       printed{log},
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
	p.conn = raw.(*connection).conn // the only thing that glue gives
	p.Driver = NewProxy(p.conn)
	return nil
}

// describe asks the driver what it is, and refuses one of another contract.
func (p *Process) describe(ctx context.Context) error {
	var err error
	p.description, err = p.Describe(ctx)
	if err == nil && p.description.Contract != drivers.ContractVersion {
		err = contractError(p.config.Binary, p.description.Contract)
	}
	return err
}

func contractError(binary string, version int) error {
	return launchError(binary, drivers.Refused,
		fmt.Errorf("it is of contract version %d, this hotspare is of %d", version, drivers.ContractVersion),
		"install the driver that came with this hotspare")
}

// over says whether a call ended because its context did; the other end may find that a
// moment before this one.
func over(ctx context.Context, err error) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && errors.Is(err, context.DeadlineExceeded) && time.Until(deadline) < drainTime
}

// explain says why a process could not be started, by what it did rather than by what
// go-plugin makes of it.
func (p *Process) explain(err error) error {
	binary, line := p.config.Binary, p.runner.stdout.line()
	var known *drivers.Error
	switch {
	case errors.As(err, &known) && known.Op == "launch driver":
		return known
	case errors.Is(err, goplugin.ErrChecksumsDoNotMatch):
		return launchError(binary, drivers.Refused, fmt.Errorf("its SHA-256 is not the one in %s", ChecksumFile(p.runner.binary)),
			"run make build, or install the driver again with its checksum")
	case errors.Is(err, fs.ErrPermission):
		return launchError(binary, drivers.Refused, err, "let the user that hotspare runs as read and execute it")
	case errors.Is(err, syscall.ENOEXEC):
		return launchError(binary, drivers.Refused, err, "install the driver that was built for "+runtime.GOOS+"/"+runtime.GOARCH)
	case p.runner.PID() == 0:
		return launchError(binary, drivers.Unavailable, err, "look at the driver's log")
	}
	version, isHandshake := handshakeVersion(line)
	switch {
	case isHandshake && version != drivers.ContractVersion:
		return contractError(binary, version)
	case line != "" && !isHandshake:
		return launchError(binary, drivers.Refused,
			fmt.Errorf("it wrote %q to its standard output, where its handshake must come first", short(line)),
			"install a driver of hotspare's; one's main prints nothing before it serves")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		missing := "took no connection"
		select {
		case <-p.started:
			missing = "gave no answer to describe"
		default:
			if line == "" {
				missing = "gave no handshake"
			}
		}
		return launchError(binary, drivers.Unavailable, fmt.Errorf("it %s within %s", missing, p.config.StartTimeout),
			"look at the driver's log, and whether this machine is overloaded")
	}
	// The connection ends a moment before the process does.
	select {
	case <-p.runner.exited:
		err = p.runner.ending()
	case <-time.After(drainTime):
	}
	return launchError(binary, drivers.Unavailable, err, "look at the driver's log")
}

// handshakeVersion takes the contract's version out of a handshake, "1|VERSION|unix|...".
func handshakeVersion(line string) (int, bool) {
	parts := strings.Split(line, "|")
	if len(parts) < 5 || parts[0] != strconv.Itoa(goplugin.CoreProtocolVersion) {
		return 0, false
	}
	version, err := strconv.Atoi(parts[1])
	return version, err == nil
}
