package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unicode/utf8"
)

// readFile reads a file that an attribute names.
func readFile(name string) (string, *flaw) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", unreadable(name, err)
	case !info.Mode().IsRegular():
		return "", &flaw{"is no regular file", "name a file; this is " + name}
	case info.Size() > largestFile:
		return "", &flaw{fmt.Sprintf("has %d bytes", info.Size()), fmt.Sprintf("name a file of %d at most; this is %s", largestFile, name)}
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return "", unreadable(name, err)
	}
	if !utf8.Valid(content) {
		return "", &flaw{"is no text in UTF-8", "name a text file; this is " + name}
	}
	return string(content), nil
}

// readSecret reads a file that others may neither read nor write.
func readSecret(name string) (string, *flaw) {
	info, err := os.Stat(name)
	if err != nil {
		return "", unreadable(name, err)
	}
	if mode := info.Mode().Perm(); info.Mode().IsRegular() && mode&0o026 != 0 {
		return "", &flaw{fmt.Sprintf("has the mode %04o: others than its owner may change it, or anyone may read it", mode), "chmod 0640 " + name}
	}
	return readFile(name)
}

func unreadable(name string, err error) *flaw {
	hint := "it is looked for at " + name
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &flaw{"does not exist", hint}
	case errors.Is(err, fs.ErrPermission):
		return &flaw{"may not be read by this user", hint}
	}
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &flaw{fmt.Sprintf("cannot be read: %v", err), hint}
}
