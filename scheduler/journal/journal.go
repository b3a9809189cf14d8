package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/hotspare/hotspare/scheduler"
)

// Options of a journal.
type Options struct {
	// Site that the journal belongs to, forever; empty: nobody asks.
	Site string
	// Now gives the time of records; nil: time.Now.
	Now func() time.Time
	// SnapshotEvery is after how many records the folded state is written too, so that a
	// start need not replay everything; 0: 10,000.
	SnapshotEvery int
	// ReserveMiB of disk are set aside, and given back when the disk is full, so that a
	// reclaim can still be written; 0: 16, negative: none.
	ReserveMiB int
	Log        *slog.Logger
}

// Journal is the durable state. All methods may be called at once from many goroutines.
type Journal struct {
	db       *bbolt.DB
	opts     Options
	requests chan *request
	done     chan struct{} // closed when the writer has ended
	commits  atomic.Int64
	full     atomic.Bool // the disk was full: the reserve is in use
	quit     chan struct{}
	once     sync.Once

	mu       sync.RWMutex // held to write by the writer alone
	state    *scheduler.State
	failed   error // set when the file can no longer be written
	seq      uint64
	unsaved  int           // records since the last snapshot
	changed  chan struct{} // closed and replaced at each change
	observer func([]Record)
}

// ErrFailed is wrapped by every error of a record that could not be made durable.
var ErrFailed = errors.New("the journal cannot be written")

// Open opens or makes the journal at path and replays it. A journal that another process
// has open is an error that says so, after a second. A full disk is none: what was begun
// must go on.
func Open(path string, opts Options) (*Journal, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SnapshotEvery == 0 {
		opts.SnapshotEvery = 10_000
	}
	if opts.ReserveMiB == 0 {
		opts.ReserveMiB = 16
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("open journal %s: another hotspare server has it open; stop that one, or give this one a state_dir of its own", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w; if the file is damaged, restore it from a copy", path, err)
	}
	j := &Journal{
		db: db, opts: opts, requests: make(chan *request), done: make(chan struct{}), quit: make(chan struct{}),
		changed: make(chan struct{}),
	}
	if err := j.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), db.Close())
	}
	go j.write()
	return j, nil
}

// prepare brings the file and its reserve to what the writer needs.
func (j *Journal) prepare() error {
	if err := j.makeBuckets(); err != nil {
		return err
	}
	if j.opts.Site != "" {
		if err := j.belongs(); err != nil {
			return err
		}
	}
	if err := j.replay(); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	err := j.reserve()
	if noSpace(err) {
		j.full.Store(true)
		j.opts.Log.Error("the disk is full: nothing could be set aside, lending stops", "file", j.db.Path(), "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("set disk space aside: %w", err)
	}
	return nil
}

// Close waits for what is under way and closes the file. Updates after it fail.
func (j *Journal) Close() error {
	j.once.Do(func() { close(j.quit) })
	<-j.done
	return j.db.Close()
}

// View calls read with the state, which it must not change or keep. The state shows
// nothing that is not durable.
func (j *Journal) View(read func(*scheduler.State)) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	read(j.state)
}

// Changed gives a channel that is closed at the next change of the state.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.changed
}

// Full reports whether the disk ran full and the reserve is in use: lending must stop,
// until Recover finds room.
// It may be called while an update decides.
func (j *Journal) Full() bool { return j.full.Load() }

// Seq gives the number of the last record.
func (j *Journal) Seq() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.seq
}

// Commits gives how often the file was committed since it was opened.
func (j *Journal) Commits() int { return int(j.commits.Load()) }

// Observe lets f see all records after they are durable, in order. It must not block.
// One observer at a time.
func (j *Journal) Observe(f func([]Record)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.observer = f
}

// Update makes records from the state, folds them and makes them durable, as one. No
// other update comes between: decide sees the state that its records are folded into. It
// must not change or keep the state, and must not block. An error or a panic of decide, or
// a record that the fold rejects, changes nothing and is returned. Update returns when the
// records are on disk; many updates at once share one commit.
//
// An error that wraps [ErrFailed] means that nothing was recorded. Where the disk is full
// the next update may succeed; after any other failure none does.
func (j *Journal) Update(ctx context.Context, decide func(*scheduler.State) ([]Record, error)) error {
	req := &request{decide: decide, result: make(chan error, 1)}
	select {
	case j.requests <- req:
	case <-j.quit:
		return fmt.Errorf("%w: it is closed", ErrFailed)
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-req.result // the writer always answers, and soon: what was begun is never left in doubt
}
