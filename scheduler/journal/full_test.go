package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// smallDisk gives a directory on a disk of 8 MiB, and what fills it up.
func smallDisk(t *testing.T) (dir string, fillUp func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func() {
		t.Helper()
		file, err := os.OpenFile(filepath.Join(dir, "fill"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for block := make([]byte, 4096); err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// big writes records of 64 KiB until stop says so, or one fails, and gives that error.
func big(t *testing.T, j *journal.Journal, stop func() bool) error {
	t.Helper()
	long := strings.Repeat("x", 64<<10)
	for i := range 1000 {
		if stop() {
			return nil
		}
		err := j.Update(t.Context(), func(s *scheduler.State) ([]journal.Record, error) {
			return []journal.Record{{AlertSeen: &journal.AlertSeen{Key: strconv.Itoa(len(s.Alerts)) + long}}}, nil
		})
		if err != nil {
			return err
		}
		if i == 999 {
			t.Fatal("the disk never ran full")
		}
	}
	return nil
}

// A full disk stops lending at once, and must never stop a reclaim: the reserve is given
// back, and records go on being written.
func TestAFullDiskUsesTheReserve(t *testing.T) {
	dir, fillUp := smallDisk(t)
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, journal.Options{ReserveMiB: 4, SnapshotEvery: 1 << 30})
	if j.Full() {
		t.Error("the disk has room, and is told to be full")
	}
	fillUp()
	if err := big(t, j, j.Full); err != nil {
		t.Fatalf("a record is lost to a full disk: %v", err)
	}
	if err := j.Update(t.Context(), request); err != nil {
		t.Errorf("after the disk ran full: %v", err)
	}
	if _, err := os.Stat(path + ".reserve"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve was not given back: %v", err)
	}
	inv, err := scheduler.NewClusterInventory(time.Now(), []drivers.Item{{Host: &drivers.HostItem{Name: "h1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.KeepInventory("c1", inv); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("an inventory takes the room of the records: %v", err)
	}
	before := stateOf(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, journal.Options{})
	if stateOf(t, j) != before {
		t.Error("what was written on a full disk is not read back")
	}
	j.Close()
}

// A disk that has room again needs no restart: the reserve is set aside, and lending goes on.
func TestADiskThatHasRoomAgainIsNotFull(t *testing.T) {
	dir, fillUp := smallDisk(t)
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, journal.Options{ReserveMiB: 2})
	defer j.Close()
	fillUp()
	if err := big(t, j, j.Full); err != nil {
		t.Fatal(err)
	}
	reserved := func() bool { _, err := os.Stat(path + ".reserve"); return err == nil }
	if err := j.Recover(); err != nil || !j.Full() || reserved() {
		t.Errorf("on a full disk: %v, full %t, reserve %t", err, j.Full(), reserved())
	}
	if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
		t.Fatal(err)
	}
	if err := j.Recover(); err != nil || j.Full() || !reserved() {
		t.Errorf("with room again: %v, full %t, reserve %t", err, j.Full(), reserved())
	}
	fillUp()
	if err := big(t, j, j.Full); err != nil || reserved() {
		t.Errorf("the second time it ran full: %v, reserve %t", err, reserved())
	}
}

// Where not even the reserve is left, an update fails and the state does not show it;
// when there is room again it goes on by itself.
func TestAfterTheReserveNothingIsRecordedAndNothingIsShown(t *testing.T) {
	dir, fillUp := smallDisk(t)
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, journal.Options{ReserveMiB: 1, SnapshotEvery: 20})
	fillUp()
	err := big(t, j, func() bool { return false })
	if !errors.Is(err, journal.ErrFailed) || !strings.Contains(err.Error(), "free disk space beside "+path) {
		t.Fatalf("got %v", err)
	}
	before, seq := stateOf(t, j), j.Seq()
	if err := big(t, j, func() bool { return false }); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("got %v", err)
	}
	if stateOf(t, j) != before || j.Seq() != seq {
		t.Error("the state shows what is not on disk")
	}
	if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
		t.Fatal(err)
	}
	if err := j.Update(t.Context(), request); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if j.Seq() != seq+1 {
		t.Errorf("record %d follows on record %d", j.Seq(), seq)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// A server must start on a full disk: the run that filled it has to go on.
func TestAFullDiskIsOpened(t *testing.T) {
	dir, fillUp := smallDisk(t)
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, journal.Options{})
	if err := j.Update(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	want := stateOf(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	fillUp()
	j, err := journal.Open(path, journal.Options{ReserveMiB: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if !j.Full() || stateOf(t, j) != want {
		t.Errorf("full: %v, state:\n%s\nnot\n%s", j.Full(), stateOf(t, j), want)
	}
	if _, err := os.Stat(path + ".reserve"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a reserve takes the last room: %v", err)
	}
	if err := j.Update(t.Context(), request); err != nil { // the file has free pages
		t.Error(err)
	}
}
