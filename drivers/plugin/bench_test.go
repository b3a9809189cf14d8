package plugin_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// BenchmarkCall tells what the way through a process costs: an observe through it beside
// one in this process, and beside a plain echo over a unix socket, which is what no way
// through a process can beat; each with 1 and with 16 callers, in one run.
func BenchmarkCall(b *testing.B) {
	const rounds, perRound = 20, 200
	remote := supervise(b, config(b, "odd"))
	local := &odd{contract: drivers.ContractVersion}
	observe := func(d drivers.Driver) func(int) error {
		return func(int) error {
			_, err := d.Observe(context.Background(), vmProperty("vm"))
			return err
		}
	}
	echo := echoes(b, 16)
	ways := []struct {
		name string
		call func(caller int) error
	}{{"process", observe(remote)}, {"inprocess", observe(local)}, {"echo", echo}}
	for b.Loop() {
		for _, callers := range []int{1, 16} {
			took := make([][]time.Duration, len(ways))
			total := make([]time.Duration, len(ways))
			for range rounds { // interleaved, so that all meet the same load
				for w, way := range ways {
					began := time.Now()
					took[w] = append(took[w], timed(b, callers, perRound, way.call)...)
					total[w] += time.Since(began)
				}
			}
			median := make([]time.Duration, len(ways))
			for w, way := range ways {
				slices.Sort(took[w])
				median[w] = took[w][len(took[w])/2]
				b.Logf("%2d callers, %-9s  p50 %8s  p99 %8s  %8.0f calls/s", callers, way.name, median[w],
					took[w][len(took[w])*99/100], float64(len(took[w]))/total[w].Seconds())
			}
			b.ReportMetric(float64(median[0].Nanoseconds())/1000, fmt.Sprintf("µs/process-%d", callers))
			b.ReportMetric(float64(median[0])/float64(median[2]), fmt.Sprintf("times-echo-%d", callers))
			b.ReportMetric(float64(median[0])/float64(max(1, median[1])), fmt.Sprintf("times-inprocess-%d", callers))
		}
	}
}

// timed gives how long each call of a number of callers took.
func timed(b *testing.B, callers, calls int, call func(caller int) error) []time.Duration {
	took := make([]time.Duration, callers*calls)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := range calls {
				began := time.Now()
				if err := call(caller); err != nil {
					b.Error(err)
					return
				}
				took[caller*calls+i] = time.Since(began)
			}
		})
	}
	all.Wait()
	return took
}

// echoes gives a call that sends 64 bytes over a unix socket and has them back, on a
// connection for each caller. The other end is in this process, too: less than a process
// costs.
func echoes(b *testing.B, callers int) func(caller int) error {
	b.Helper()
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }() // until the benchmark ends
		}
	}()
	conns := make([]net.Conn, callers)
	for i := range conns {
		if conns[i], err = net.Dial("unix", l.Addr().String()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conns[i].Close() })
	}
	return func(caller int) error {
		message := make([]byte, 64)
		if _, err := conns[caller].Write(message); err != nil {
			return err
		}
		_, err := io.ReadFull(conns[caller], message)
		return err
	}
}
