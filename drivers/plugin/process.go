package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/hotspare/hotspare/drivers"
)

// killWait bounds the time that the end of a killed process is waited for.
const killWait = 5 * time.Second

// Process is one running driver process. It is never launched again; see [Supervise].
type Process struct {
	drivers.Driver // over the process's socket

	config      Config
	client      *goplugin.Client
	runner      *runner
	folder      string
	conn        *grpc.ClientConn
	description drivers.Description
	worked      atomic.Bool // an inventory, observe or apply succeeded

	started    chan struct{} // closed when start has returned
	startError error         // what it returned
	kill       sync.Once
	done       chan struct{}
	mu         sync.Mutex
	reason     error // why it was killed
}

// watch kills the process when it gives no sign of life for PingTimeout: one that hangs
// is never noticed otherwise, and calls to it would wait for ever.
func (p *Process) watch(alive func(*Process)) {
	ticks := time.NewTicker(p.config.PingEvery)
	defer ticks.Stop()
	for {
		select {
		case <-p.runner.exited:
			p.Kill(p.runner.ending())
			return
		case <-p.done:
			return
		case <-ticks.C:
		}
		// One that hangs right after its last answer has hung for PingEvery already.
		ctx, cancel := context.WithTimeout(context.Background(), p.config.PingTimeout-p.config.PingEvery)
		_, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
		cancel()
		switch {
		case err == nil:
			alive(p)
		case status.Code(err) == codes.DeadlineExceeded:
			p.Kill(fmt.Errorf("its process hung: no sign of life for %s; it was killed", p.config.PingTimeout))
			return
		default:
			// The connection ends a moment before the process does.
			select {
			case <-p.runner.exited:
			case <-time.After(drainTime):
				p.Kill(fmt.Errorf("its process takes no calls: %s; it was killed", status.Convert(err).Message()))
			}
		}
	}
}

// PID gives the process's id.
func (p *Process) PID() int { return p.runner.PID() }

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
		ended := make(chan error, 1)
		go func() { ended <- p.end() }()
		select {
		case err := <-ended:
			if err != nil {
				p.config.Logger.Warn("a killed driver left something behind", "driver", p.config.Binary, "error", err)
			}
		case <-time.After(killWait):
			p.config.Logger.Warn("the end of a killed driver takes long", "driver", p.config.Binary, "pid", p.PID())
		}
		close(p.done)
	})
	<-p.done
}

// end kills by id before anything else: go-plugin asks a process to shut down, and waits
// for the answer of one that hangs without any limit.
func (p *Process) end() error {
	killed := p.runner.Kill(context.Background())
	<-p.started // a start that is under way fails now
	p.client.Kill()
	if p.conn != nil {
		_ = p.conn.Close() // it may be closed already
	}
	return errors.Join(killed, os.RemoveAll(p.folder))
}
