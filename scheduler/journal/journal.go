package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/hotspare/hotspare/scheduler"
)

var (
	bucketRecords   = []byte("records")
	bucketSnapshot  = []byte("snapshot")
	bucketInventory = []byte("inventory")
	keyState        = []byte("state")
)

// Options of a journal.
type Options struct {
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
	unsaved  int
	changed  chan struct{} // closed and replaced at each change
	observer func([]Record)
}

type request struct {
	make   func(*scheduler.State) ([]Record, error)
	result chan error
}

// ErrFailed is wrapped by every error after the journal's file could not be written.
var ErrFailed = errors.New("the journal cannot be written")

// Open opens or makes the journal at path and replays it. A journal that another process
// has open is an error that says so, after a second.
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
	if err := j.replay(); err != nil {
		return nil, errors.Join(fmt.Errorf("replay journal %s: %w", path, err), db.Close())
	}
	if err := j.reserve(); err != nil {
		return nil, errors.Join(fmt.Errorf("set disk space aside beside %s: %w; free some space", path, err), db.Close())
	}
	go j.write()
	return j, nil
}

// Close waits for what is under way and closes the file. Updates after it fail.
func (j *Journal) Close() error {
	j.once.Do(func() { close(j.quit) })
	<-j.done
	return j.db.Close()
}

// View calls read with the state, which it must not change or keep.
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

// Full reports whether the disk ran full and the reserve is in use: lending must stop.
// It may be called while an update decides.
func (j *Journal) Full() bool { return j.full.Load() }

// Update makes records from the state, folds them and makes them durable, as one. No
// other update comes between: decide sees the state that its records are folded into. It
// must not change or keep the state, and must not block. An error of decide, or a record
// that the fold rejects, changes nothing and is returned. Update returns when the records
// are on disk; many updates at once share one commit.
func (j *Journal) Update(ctx context.Context, decide func(*scheduler.State) ([]Record, error)) error {
	req := &request{make: decide, result: make(chan error, 1)}
	select {
	case j.requests <- req:
	case <-j.quit:
		return fmt.Errorf("%w: it is closed", ErrFailed)
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-req.result // the writer always answers, and soon: what was begun is never left in doubt
}

// write is the one goroutine that changes the state.
func (j *Journal) write() {
	defer close(j.done)
	for {
		select {
		case <-j.quit:
			return
		case first := <-j.requests:
			j.commit(j.gather(first))
		}
	}
}

// maxBatch bounds how much one commit holds.
const maxBatch = 512

// gather takes what waits beside the first request: while one commit is written the next
// one's requests arrive.
func (j *Journal) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case next := <-j.requests:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (j *Journal) commit(batch []*request) {
	var answered []*request // whose records are in this commit
	var records []Record
	j.mu.Lock()
	for _, req := range batch {
		made, err := j.fold(req)
		if err != nil || len(made) == 0 {
			req.result <- err
			continue
		}
		answered, records = append(answered, req), append(records, made...)
	}
	err := j.store(records)
	if err != nil && j.failed == nil {
		j.failed = fmt.Errorf("%w: %w; free disk space or mend the disk, and start the server again: it goes on from what is on disk", ErrFailed, err)
	}
	err = j.failed
	close(j.changed)
	j.changed = make(chan struct{})
	observer := j.observer
	j.mu.Unlock()
	for _, req := range answered {
		req.result <- err
	}
	if observer != nil && err == nil && len(records) > 0 {
		observer(records)
	}
}

// fold decides and folds one request into the state.
func (j *Journal) fold(req *request) ([]Record, error) {
	if j.failed != nil {
		return nil, j.failed
	}
	made, err := req.make(j.state)
	if err != nil {
		return nil, err
	}
	for i := range made {
		j.seq++
		made[i].Seq, made[i].Version, made[i].At = j.seq, Version, j.opts.Now().UTC()
		if err := Fold(j.state, &made[i]); err != nil {
			j.seq--
			if i > 0 { // half of what belongs together is in the state: only a bug gets here
				j.failed = fmt.Errorf("%w: record %d of a group: %w", ErrFailed, i+1, err)
			}
			return nil, err
		}
	}
	return made, nil
}

// Observe lets f see all records after they are durable, in order. It must not block.
// One observer at a time.
func (j *Journal) Observe(f func([]Record)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.observer = f
}

func (j *Journal) store(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	err := j.put(records)
	if errors.Is(err, syscall.ENOSPC) && !j.full.Swap(true) {
		j.opts.Log.Error("the disk is full: the reserve is used, lending stops", "file", j.db.Path())
		if err := os.Remove(j.reservePath()); err != nil {
			return err
		}
		err = j.put(records)
	}
	return err
}

func (j *Journal) put(records []Record) error {
	snapshot := j.unsaved+len(records) >= j.opts.SnapshotEvery
	err := j.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketRecords)
		bucket.FillPercent = 0.95 // keys only grow
		for i := range records {
			data, err := json.Marshal(&records[i])
			if err != nil {
				return err
			}
			if err := bucket.Put(key(records[i].Seq), data); err != nil {
				return err
			}
		}
		if snapshot {
			return putSnapshot(tx, j.seq, j.state)
		}
		return nil
	})
	if err == nil {
		j.commits.Add(1)
		j.unsaved += len(records)
		if snapshot {
			j.unsaved = 0
		}
	}
	return err
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
