package libvirt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxChain bounds how long a chain of overlays is read.
const maxChain = 64

// chainOf gives a file and all that it hangs on, nearest first. The format is what the
// domain's definition says; a file that cannot be read ends the chain.
func chainOf(path, format string) []string {
	chain := []string{plainPath(path)}
	for format == "qcow2" && len(chain) < maxChain {
		backing, next, err := backingOf(path)
		if err != nil || backing == "" {
			break
		}
		chain = append(chain, plainPath(backing))
		path, format = backing, next
	}
	return chain
}

// plainPath gives the one path of a file that may have several; of what is no file, itself.
func plainPath(path string) string {
	if !strings.HasPrefix(path, "/") {
		return path
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// backingFormat is the header extension of a qcow2 image that names its backing's format.
const backingFormat = 0xE2792ACA

// backingOf reads from a qcow2 image's header what it hangs on; empty where on nothing.
func backingOf(path string) (backing, format string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	header := make([]byte, 4096)
	n, err := io.ReadFull(f, header)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", "", err
	}
	header = header[:n]
	if n < 104 || !bytes.HasPrefix(header, []byte("QFI\xfb")) {
		return "", "", fmt.Errorf("%s is no qcow2 image", path)
	}
	big := binary.BigEndian
	version, at, size := big.Uint32(header[4:]), big.Uint64(header[8:]), uint64(big.Uint32(header[16:]))
	if at == 0 {
		return "", "", nil
	}
	if size > 1023 || at+size > uint64(n) {
		return "", "", fmt.Errorf("%s names its backing file in a way that is not read here", path)
	}
	backing = string(header[at : at+size])
	if !strings.HasPrefix(backing, "/") && !strings.Contains(backing, ":") {
		backing = filepath.Join(filepath.Dir(path), backing)
	}
	next := uint64(72)
	if version >= 3 {
		next = uint64(big.Uint32(header[100:]))
	}
	for next+8 <= uint64(n) {
		kind, length := big.Uint32(header[next:]), uint64(big.Uint32(header[next+4:]))
		if kind == 0 || next+8+length > uint64(n) {
			break
		}
		if kind == backingFormat {
			format = string(header[next+8 : next+8+length])
		}
		next += 8 + (length+7)/8*8
	}
	return backing, format, nil
}
