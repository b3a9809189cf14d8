package journal

import (
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/hotspare/hotspare/scheduler"
)

// KeepInventory remembers the last inventory of a cluster over a restart, so that a
// reclaim needs no answer from the hypervisor first. It keeps none on a full disk: what is
// left there belongs to the records.
func (j *Journal) KeepInventory(cluster string, inv *scheduler.ClusterInventory) error {
	if j.Full() {
		return fmt.Errorf("keep the inventory of %s: the disk is full; free space beside %s", cluster, j.db.Path())
	}
	data, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("keep the inventory of %s: %w", cluster, err)
	}
	err = j.db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(bucketInventory).Put([]byte(cluster), seal(data)) })
	if err != nil {
		return fmt.Errorf("keep the inventory of %s: %w", cluster, err)
	}
	return nil
}

// KeptInventory gives the inventories that were kept, by cluster. One that cannot be read
// is left out: the driver's next one takes its place.
func (j *Journal) KeptInventory() (scheduler.Inventory, error) {
	all := scheduler.Inventory{}
	err := j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketInventory).ForEach(func(cluster, sealed []byte) error {
			inv := &scheduler.ClusterInventory{}
			data, err := unseal(sealed)
			if err == nil {
				err = json.Unmarshal(data, inv)
			}
			if err != nil {
				j.opts.Log.Error("the kept inventory cannot be read", "cluster", string(cluster), "error", err)
				return nil
			}
			all[string(cluster)] = inv
			return nil
		})
	})
	return all, err
}
