package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/hotspare/hotspare/scheduler"
)

// saved is the folded state as of a record.
type saved struct {
	Version int              `json:"v"`
	Seq     uint64           `json:"seq"`
	State   *scheduler.State `json:"state"`
}

func putSnapshot(tx *bbolt.Tx, seq uint64, state *scheduler.State) error {
	data, err := json.Marshal(saved{Version: Version, Seq: seq, State: state})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketSnapshot).Put(keyState, data)
}

// replay reads the last snapshot and folds the records after it.
func (j *Journal) replay() error {
	if err := j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketRecords, bucketSnapshot, bucketInventory} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return j.db.View(func(tx *bbolt.Tx) error {
		last := saved{State: scheduler.NewState()}
		if data := tx.Bucket(bucketSnapshot).Get(keyState); data != nil {
			if err := json.Unmarshal(data, &last); err != nil {
				return fmt.Errorf("read the snapshot: %w", err)
			}
			if last.Version > Version {
				return fmt.Errorf("the snapshot is of version %d, and this hotspare knows versions up to %d; start the newer hotspare that wrote it", last.Version, Version)
			}
		}
		j.state, j.seq = last.State, last.Seq
		cursor := tx.Bucket(bucketRecords).Cursor()
		for k, data := cursor.Seek(key(last.Seq + 1)); k != nil; k, data = cursor.Next() {
			record, err := decode(data)
			if err != nil {
				return err
			}
			if seq := binary.BigEndian.Uint64(k); seq != j.seq+1 || record.Seq != seq {
				return fmt.Errorf("record %d stands where record %d should: the file is damaged", record.Seq, j.seq+1)
			}
			if err := Fold(j.state, &record); err != nil {
				return fmt.Errorf("record %d: %w", record.Seq, err)
			}
			j.seq++
			j.unsaved++
		}
		return nil
	})
}

// Records calls each with every record after seq, oldest first, until it returns an
// error, which Records returns.
func (j *Journal) Records(after uint64, each func(Record) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketRecords).Cursor()
		for k, data := cursor.Seek(key(after + 1)); k != nil; k, data = cursor.Next() {
			record, err := decode(data)
			if err != nil {
				return err
			}
			if err := each(record); err != nil {
				return err
			}
		}
		return nil
	})
}

// KeepInventory remembers the last inventory of a cluster over a restart, so that a
// reclaim needs no answer from the hypervisor first.
func (j *Journal) KeepInventory(cluster string, inv *scheduler.ClusterInventory) error {
	data, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("keep the inventory of %s: %w", cluster, err)
	}
	return j.db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(bucketInventory).Put([]byte(cluster), data) })
}

// KeptInventory gives the inventories that were kept, by cluster.
func (j *Journal) KeptInventory() (scheduler.Inventory, error) {
	all := scheduler.Inventory{}
	err := j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketInventory).ForEach(func(cluster, data []byte) error {
			inv := &scheduler.ClusterInventory{}
			if err := json.Unmarshal(data, inv); err != nil {
				return fmt.Errorf("read the kept inventory of %s: %w", cluster, err)
			}
			all[string(cluster)] = inv
			return nil
		})
	})
	return all, err
}

func (j *Journal) reservePath() string { return j.db.Path() + ".reserve" }

// reserve fills a file beside the journal that is deleted when the disk is full.
func (j *Journal) reserve() error {
	if j.opts.ReserveMiB < 0 {
		return nil
	}
	want := int64(j.opts.ReserveMiB) << 20
	if info, err := os.Stat(j.reservePath()); err == nil && info.Size() == want {
		return nil
	}
	file, err := os.OpenFile(j.reservePath(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for range j.opts.ReserveMiB {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}

// Seq gives the number of the last record.
func (j *Journal) Seq() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.seq
}

// Commits gives how often the file was committed since it was opened.
func (j *Journal) Commits() int { return int(j.commits.Load()) }
