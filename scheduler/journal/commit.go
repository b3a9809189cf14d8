package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/hotspare/hotspare/scheduler"
)

type request struct {
	decide func(*scheduler.State) ([]Record, error)
	result chan error
}

// entry is a record as the state has it, and as the file does.
type entry struct {
	record Record
	data   []byte
}

// write is the one goroutine that changes the state.
func (j *Journal) write() {
	defer close(j.done)
	for {
		select {
		case <-j.quit:
			return
		case first := <-j.requests:
			for batch := j.gather(first); len(batch) > 0; {
				batch = j.commit(batch)
			}
		}
	}
}

// maxBatch bounds how many updates share one commit.
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

// errHalf is the error of an update of which the state has some records and not all.
var errHalf = errors.New("it fell apart")

// commit folds requests and makes their records durable, and gives those that it did not
// come to: after an update that fell apart the state is read again from the file first.
func (j *Journal) commit(batch []*request) (left []*request) {
	j.mu.Lock()
	var answered []*request // whose records are in this commit
	var entries []entry
	seq := j.seq // of the last record that shall be in the file
	for i, req := range batch {
		made, err := j.fold(req)
		if errors.Is(err, errHalf) {
			left = batch[i+1:]
			req.result <- err
			break
		}
		if err != nil || len(made) == 0 {
			req.result <- err
			continue
		}
		answered, entries, seq = append(answered, req), append(entries, made...), j.seq
	}
	torn := seq != j.seq
	err := j.store(entries, seq, torn)
	if err != nil || torn {
		err = j.readAgain(err)
	}
	if err == nil && len(entries) > 0 {
		close(j.changed)
		j.changed = make(chan struct{})
	}
	observer := j.observer
	j.mu.Unlock()
	for _, req := range answered {
		req.result <- err
	}
	if observer != nil && err == nil && len(entries) > 0 {
		records := make([]Record, len(entries))
		for i := range entries {
			records[i] = entries[i].record
		}
		observer(records)
	}
	return left
}

// readAgain makes the state what the file has, after a commit that failed with cause or an
// update that fell apart (nil), and gives the error of that commit. Nothing more is
// written where the file cannot be trusted.
func (j *Journal) readAgain(cause error) error {
	err := j.replay()
	if err == nil && (cause == nil || noSpace(cause)) {
		return cause
	}
	j.failed = fmt.Errorf("%w: %w; mend the disk, and start the server again: it goes on from what is on disk", ErrFailed, errors.Join(cause, err))
	if cause == nil {
		return nil // what was committed is on disk
	}
	return j.failed
}

// fold decides one request and folds its records into the state. What the state gets is
// what a replay would read, to the byte.
func (j *Journal) fold(req *request) ([]entry, error) {
	if j.failed != nil {
		return nil, j.failed
	}
	made, err := j.decide(req)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(made))
	for i, record := range made {
		record.Seq, record.Version, record.At = j.seq+1, Version, j.opts.Now().UTC()
		next, err := encode(record)
		if err == nil {
			err = j.try(&next.record)
		}
		if err != nil && (i > 0 || errors.Is(err, errPanic)) {
			j.seq++ // so that it is seen that the state is torn
			return nil, fmt.Errorf("%w: %w", errHalf, err)
		}
		if err != nil {
			return nil, err
		}
		j.seq++
		entries = append(entries, next)
	}
	return entries, nil
}

// errPanic is wrapped by the error that a panic was made to.
var errPanic = errors.New("a fault of hotspare; please report it")

// decide asks the request for its records. A fault in one planner is an error of that one
// request: the runs of all others go on.
func (j *Journal) decide(req *request) (made []Record, err error) {
	defer j.caught(&err)
	return req.decide(j.state)
}

func (j *Journal) try(record *Record) (err error) {
	defer j.caught(&err)
	return Fold(j.state, record)
}

// caught makes a panic an error, with its stack in the log.
func (j *Journal) caught(err *error) {
	if fault := recover(); fault != nil {
		j.opts.Log.Error("panic", "fault", fault, "stack", string(debug.Stack()))
		*err = fmt.Errorf("%w: %v", errPanic, fault)
	}
}

// store makes records durable, the last of them being seq. On a full disk the reserve is
// given back.
func (j *Journal) store(entries []entry, seq uint64, torn bool) error {
	if len(entries) == 0 {
		return nil
	}
	err := j.put(entries, seq, torn)
	if noSpace(err) && !j.full.Swap(true) {
		j.opts.Log.Error("the disk is full: the reserve is used, lending stops", "file", j.db.Path())
		if err := os.Remove(j.reservePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.opts.Log.Error("give the reserve back", "error", err)
		}
		err = j.put(entries, seq, torn)
	}
	if noSpace(err) {
		return fmt.Errorf("%w: %w; free disk space beside %s: it then goes on by itself", ErrFailed, err, j.db.Path())
	}
	return err
}

// put commits records, and with them a snapshot when one is due. There is none of a state
// that is torn, and none on a full disk: it would take the room of the records.
func (j *Journal) put(entries []entry, seq uint64, torn bool) error {
	snapshot := j.unsaved+len(entries) >= j.opts.SnapshotEvery && !torn && !j.full.Load()
	err := j.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketRecords)
		bucket.FillPercent = 0.95 // keys only grow
		for i := range entries {
			if err := bucket.Put(key(entries[i].record.Seq), entries[i].data); err != nil {
				return err
			}
		}
		if snapshot {
			return putSnapshot(tx, seq, j.state)
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.commits.Add(1)
	j.unsaved += len(entries)
	if snapshot {
		j.unsaved = 0
	}
	return nil
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
