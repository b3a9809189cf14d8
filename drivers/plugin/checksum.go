package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ChecksumFile gives the name of the file that holds a binary's checksum.
func ChecksumFile(binary string) string { return binary + ".sha256" }

// readChecksum gives the SHA-256 that the binary must have.
func readChecksum(binary string) ([]byte, error) {
	path := ChecksumFile(binary)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the checksum: %w", err)
	}
	wrong := func(why string) error {
		return fmt.Errorf("read the checksum: %s %s", path, why)
	}
	fields := strings.Fields(string(data))
	if len(fields) == 0 {
		return nil, wrong("is empty")
	}
	sum, err := hex.DecodeString(fields[0])
	if err != nil || len(sum) != sha256.Size {
		return nil, wrong("does not begin with a SHA-256 in hexadecimal")
	}
	if len(fields) > 1 && filepath.Base(strings.TrimPrefix(fields[1], "*")) != filepath.Base(binary) {
		return nil, wrong("is of another file, " + fields[1] + ",")
	}
	return sum, nil
}
