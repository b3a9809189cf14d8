package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/hotspare/hotspare/scheduler"
)

var (
	bucketRecords   = []byte("records")
	bucketSnapshot  = []byte("snapshot")
	bucketInventory = []byte("inventory")
	keyState        = []byte("state")
	keySite         = []byte("site") // beside the snapshot
)

// belongs refuses the journal of another site, and marks one that has no mark yet.
func (j *Journal) belongs() error {
	site := ""
	if err := j.db.View(func(tx *bbolt.Tx) error {
		site = string(tx.Bucket(bucketSnapshot).Get(keySite))
		return nil
	}); err != nil {
		return err
	}
	switch site {
	case j.opts.Site:
		return nil
	case "":
		err := j.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketSnapshot).Put(keySite, []byte(j.opts.Site)) })
		if noSpace(err) {
			return nil // what was begun must go on; the next start marks it
		}
		return err
	}
	return fmt.Errorf("it is of site %q, and the configuration is of site %q; give that one a state_dir of its own", site, j.opts.Site)
}

// makeBuckets makes what a new file lacks. It writes nothing to one that has all: a full
// disk must not keep a server from starting.
func (j *Journal) makeBuckets() error {
	missing := false
	all := [][]byte{bucketRecords, bucketSnapshot, bucketInventory}
	if err := j.db.View(func(tx *bbolt.Tx) error {
		for _, name := range all {
			missing = missing || tx.Bucket(name) == nil
		}
		return nil
	}); err != nil || !missing {
		return err
	}
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range all {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// saved is the folded state as of a record.
type saved struct {
	Seq   uint64           `json:"seq"`
	State *scheduler.State `json:"state"`
}

func putSnapshot(tx *bbolt.Tx, seq uint64, state *scheduler.State) error {
	data, err := json.Marshal(saved{Seq: seq, State: state})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketSnapshot).Put(keyState, seal(data))
}

// replay reads the last snapshot and folds the records after it.
func (j *Journal) replay() error {
	return j.db.View(func(tx *bbolt.Tx) error {
		from, err := j.lastSnapshot(tx)
		if err != nil {
			return err
		}
		state, seq, unsaved := from.State, from.Seq, 0
		cursor := tx.Bucket(bucketRecords).Cursor()
		for k, data := cursor.Seek(key(seq + 1)); k != nil; k, data = cursor.Next() {
			at := binary.BigEndian.Uint64(k)
			record, err := decode(data)
			if err != nil {
				return fmt.Errorf("record %d: %w", at, err)
			}
			if at != seq+1 || record.Seq != at {
				return fmt.Errorf("record %d stands at %d, where record %d should: %w", record.Seq, at, seq+1, errDamaged)
			}
			if err := Fold(state, &record); err != nil {
				return fmt.Errorf("record %d: %w", at, err)
			}
			seq++
			unsaved++
		}
		j.state, j.seq, j.unsaved = state, seq, unsaved
		return nil
	})
}

// lastSnapshot gives the state to replay from. All records are kept, so a snapshot that is
// damaged costs time and nothing else.
func (j *Journal) lastSnapshot(tx *bbolt.Tx) (saved, error) {
	first := saved{State: scheduler.NewState()}
	sealed := tx.Bucket(bucketSnapshot).Get(keyState)
	if sealed == nil {
		return first, nil
	}
	if err := known(sealed); err != nil {
		return first, fmt.Errorf("the snapshot: %w", err)
	}
	last := saved{State: scheduler.NewState()}
	data, err := unseal(sealed)
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err == nil && last.Seq > 0 && tx.Bucket(bucketRecords).Get(key(last.Seq)) == nil {
		err = fmt.Errorf("there is no record %d, which it was made after", last.Seq)
	}
	if err != nil {
		j.opts.Log.Error("the snapshot cannot be read: all records are replayed", "file", j.db.Path(), "error", err)
		return first, nil
	}
	return last, nil
}

// Records calls each with every record after seq, oldest first, until it returns an
// error, which Records returns. It holds back no update.
func (j *Journal) Records(after uint64, each func(Record) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketRecords).Cursor()
		for k, data := cursor.Seek(key(after + 1)); k != nil; k, data = cursor.Next() {
			record, err := decode(data)
			if err != nil {
				return fmt.Errorf("record %d: %w", binary.BigEndian.Uint64(k), err)
			}
			if err := each(record); err != nil {
				return err
			}
		}
		return nil
	})
}
