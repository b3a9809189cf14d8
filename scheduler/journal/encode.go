package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// What is in the file is sealed: a byte with the version, four with the CRC-32C of the
// rest, and JSON. The version comes first, so that a newer program may change all else.
const sealBytes = 5

var crc = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is wrapped by the error of anything that is not as it was written.
var errDamaged = errors.New("the file is damaged; restore it from a copy")

func seal(data []byte) []byte {
	sealed := make([]byte, sealBytes, sealBytes+len(data))
	sealed[0] = Version
	binary.BigEndian.PutUint32(sealed[1:], crc32.Checksum(data, crc))
	return append(sealed, data...)
}

// known reports, as an error, what a newer program wrote.
func known(sealed []byte) error {
	if len(sealed) > 0 && sealed[0] > Version {
		return fmt.Errorf("it is of version %d, and this hotspare knows versions up to %d; start the newer hotspare that wrote it", sealed[0], Version)
	}
	return nil
}

func unseal(sealed []byte) ([]byte, error) {
	if err := known(sealed); err != nil {
		return nil, err
	}
	if len(sealed) < sealBytes || sealed[0] == 0 || binary.BigEndian.Uint32(sealed[1:]) != crc32.Checksum(sealed[sealBytes:], crc) {
		return nil, errDamaged
	}
	return sealed[sealBytes:], nil
}

func decode(sealed []byte) (Record, error) {
	var r Record
	data, err := unseal(sealed)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	return r, err
}

// encode gives a record as the file has it, and as a replay would read it. A plan is taken
// as it is: it is never changed, and its values come from the state.
func encode(r Record) (entry, error) {
	data, err := json.Marshal(&r)
	if err != nil {
		return entry{}, fmt.Errorf("record %d cannot be written: %w", r.Seq, err)
	}
	e := entry{record: r, data: seal(data)}
	if r.RunAccepted == nil {
		e.record, err = decode(e.data)
	}
	return e, err
}
