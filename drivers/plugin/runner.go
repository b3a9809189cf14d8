package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
)

// drainTime is how long the pipes of a process that has ended are still read, where
// something that it left behind keeps them open.
const drainTime = 250 * time.Millisecond

// runner is the operating system's process behind a driver. go-plugin's own learns of an
// end only when both pipes are at theirs, which a child that the driver left behind puts
// off for ever; it cannot be killed while it starts, and stops reading at a long line.
type runner struct {
	binary string
	sum    []byte // the SHA-256 that the binary must have
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has been reaped

	mu       sync.Mutex
	killed   bool // before or after the start
	reaped   bool
	pid      int // 0: not started
	out, err *os.File
	stdout   firstLine
	stderr   lastLines
}

var _ gorunner.Runner = (*runner)(nil)

// newRunner prepares a process in a group of its own: whatever the driver starts is killed
// with it, and a Ctrl-C at the terminal reaches the launcher alone.
func newRunner(binary string, sum []byte, env []string) *runner {
	cmd := exec.Command(binary)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &runner{binary: binary, sum: sum, cmd: cmd, exited: make(chan struct{}), stderr: lastLines{ended: make(chan struct{})}}
}

// Start verifies the checksum and starts the process, unless it was killed before.
func (r *runner) Start(context.Context) error {
	same, err := (&goplugin.SecureConfig{Checksum: r.sum, Hash: sha256.New()}).Check(r.binary)
	if err != nil {
		return err
	}
	if !same {
		return goplugin.ErrChecksumsDoNotMatch
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return errors.New("it was killed before it started")
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outEnd.Close()
	errs, errEnd, err := os.Pipe()
	if err != nil {
		out.Close()
		return err
	}
	defer errEnd.Close()
	r.cmd.Stdout, r.cmd.Stderr = outEnd, errEnd
	if err := r.cmd.Start(); err != nil {
		out.Close()
		errs.Close()
		return err
	}
	r.pid, r.out, r.err = r.cmd.Process.Pid, out, errs
	r.stdout.pipe, r.stderr.pipe = out, errs
	go r.reap()
	return nil
}

// reap waits for the process's end, kills what it left in its group while its id cannot be
// given anew, and ends the pipes.
func (r *runner) reap() {
	for {
		const byPID = 1 // P_PID
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(r.pid), 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			break
		}
	}
	r.mu.Lock()
	_ = syscall.Kill(-r.pid, syscall.SIGKILL) // nothing may be left
	_ = r.cmd.Wait()                          // how it ended is in ProcessState
	r.reaped = true
	r.mu.Unlock()
	close(r.exited)
	deadline := time.Now().Add(drainTime)
	_ = r.out.SetReadDeadline(deadline) // a pipe has deadlines
	_ = r.err.SetReadDeadline(deadline) // likewise
}

// Kill kills the process and its group, or keeps it from being started.
func (r *runner) Kill(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.pid == 0 || r.reaped {
		return nil
	}
	if err := syscall.Kill(-r.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// Wait waits for the process's end, whoever still holds its pipes.
func (r *runner) Wait(context.Context) error { <-r.exited; return nil }

// ID gives the process's id, empty where none was started.
func (r *runner) ID() string {
	if pid := r.PID(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

// PID gives the process's id, 0 where none was started.
func (r *runner) PID() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pid
}

// Name, Stdout, Stderr, Diagnose, PluginToHost and HostToPlugin are what go-plugin asks
// for.
func (r *runner) Name() string                    { return r.binary }
func (r *runner) Stdout() io.ReadCloser           { return &r.stdout }
func (r *runner) Stderr() io.ReadCloser           { return &r.stderr }
func (r *runner) Diagnose(context.Context) string { return "" }

func (r *runner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// ending tells how a process ended that nobody killed, with its last words.
func (r *runner) ending() error {
	select {
	case <-r.stderr.ended:
	case <-time.After(2 * drainTime): // whoever reads it is slow
	}
	text := "its process ended by itself: " + r.cmd.ProcessState.String()
	if words := r.stderr.words(); words != "" {
		text += ": " + words
	}
	return errors.New(text)
}

// firstLine passes on the first line of a process's standard output, where the handshake
// stands, and remembers it. What follows is swallowed, so that nobody who writes blocks.
type firstLine struct {
	pipe  *os.File
	mu    sync.Mutex
	seen  []byte
	whole bool
}

// mostHandshake bounds the line; a real one has some 800 bytes, most of them certificate.
const mostHandshake = 16 << 10

func (f *firstLine) Read(p []byte) (int, error) {
	f.mu.Lock()
	whole, room := f.whole, mostHandshake-len(f.seen)
	f.mu.Unlock()
	if whole {
		_, _ = io.Copy(io.Discard, f.pipe) // until the end, which is all that matters
		return 0, f.end(io.EOF)
	}
	n, err := f.pipe.Read(p[:min(len(p), room)])
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := bytes.IndexByte(p[:n], '\n'); i >= 0 {
		n, f.whole = i+1, true
	} else if n == room && n > 0 {
		p[n-1], f.whole = '\n', true // no handshake: let go-plugin see that now
	}
	f.seen = append(f.seen, p[:n]...)
	if f.whole || err == nil {
		return n, nil
	}
	return n, f.end(err)
}

func (f *firstLine) end(err error) error { f.pipe.Close(); return end(err) }

// Close is the runner's own affair: go-plugin leaves it to Wait.
func (f *firstLine) Close() error { return f.pipe.Close() }

// line gives what was written, up to the end of the first line.
func (f *firstLine) line() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.TrimSpace(string(f.seen))
}

// lastLines passes on a process's standard error, and remembers the end of it.
type lastLines struct {
	pipe  *os.File
	ended chan struct{} // closed at the end
	once  sync.Once
	mu    sync.Mutex
	tail  []byte
}

// mostTail bounds what is remembered: a Go panic's first line stands some kilobytes before
// the end.
const mostTail = 64 << 10

func (l *lastLines) Read(p []byte) (int, error) {
	n, err := l.pipe.Read(p)
	l.mu.Lock()
	l.tail = append(l.tail, p[:n]...)
	if over := len(l.tail) - mostTail; over > mostTail {
		l.tail = append([]byte(nil), l.tail[over:]...)
	}
	l.mu.Unlock()
	if err != nil {
		l.once.Do(func() { l.pipe.Close(); close(l.ended) })
	}
	return n, end(err)
}

// Close is the runner's own affair: go-plugin leaves it to Wait.
func (l *lastLines) Close() error { return l.pipe.Close() }

// words gives the line that says why a process ended: that of a panic, or the last one.
func (l *lastLines) words() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := ""
	for line := range strings.Lines(string(l.tail)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return short(line)
		}
		if line != "" {
			last = line
		}
	}
	return short(last)
}

// end makes the deadline of a pipe that is read no longer an ordinary end.
func end(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return io.EOF
	}
	return err
}

// short cuts a driver's text to what an error may hold.
func short(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
}
