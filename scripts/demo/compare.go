package main

import (
	"fmt"
	"strings"
)

// compare dumps the site, leaves out the kept volumes, which it names, and fails where the
// rest is not as wanted.
func (s *stage) compare(what, want string) error {
	got, err := s.at.dump(s.ctx)
	if err != nil {
		return err
	}
	rest := without(got, s.kept...)
	s.say("Compared by %s: %s.", s.at.dumpedBy(), what)
	for _, name := range s.kept {
		files := 0
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "file ") && names(line, name) {
				files++
			}
		}
		if files == 0 {
			return fmt.Errorf("the kept volumes %s are not at the site", name)
		}
		fmt.Fprintf(s.out, "kept by name: %s, %d files\n", name, files)
	}
	if missing, extra := difference(want, rest), difference(rest, want); len(missing)+len(extra) > 0 {
		for _, line := range missing {
			fmt.Fprintf(s.out, "- %s\n", line)
		}
		for _, line := range extra {
			fmt.Fprintf(s.out, "+ %s\n", line)
		}
		return fmt.Errorf("the site is not as it was: %d lines are missing, %d are new", len(missing), len(extra))
	}
	fmt.Fprintf(s.out, "EQUAL: %d lines, none differs.\n", strings.Count(rest, "\n"))
	return nil
}

// without leaves out the lines about things of these names.
func without(dump string, what ...string) string {
	var kept []string
next:
	for line := range strings.Lines(dump) {
		for _, name := range what {
			if names(line, name) {
				continue next
			}
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

// names reports whether the line names a thing of this name, and not one whose name only
// begins so (ws-1 and ws-10).
func names(line, name string) bool {
	for at := strings.Index(line, name); at >= 0; {
		end := at + len(name)
		if end == len(line) || line[end] < '0' || line[end] > '9' {
			return true
		}
		next := strings.Index(line[end:], name)
		if next < 0 {
			return false
		}
		at = end + next
	}
	return false
}

// difference lists the lines of a that b does not have, as often as they stand there.
func difference(a, b string) []string {
	count := map[string]int{}
	for line := range strings.Lines(b) {
		count[line]++
	}
	var only []string
	for line := range strings.Lines(a) {
		if count[line] == 0 {
			only = append(only, strings.TrimRight(line, "\n"))
			continue
		}
		count[line]--
	}
	return only
}
