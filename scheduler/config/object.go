package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// object is one block of a file, read against the table.
type object struct {
	kind   *block
	labels []string
	title  string    // protection_group "payments", vm "pay-db-01"
	at     hcl.Range // its header
	folder string    // of its file, absolute
	values map[string]value
	blocks map[string][]*object // in the order of the files
	tried  map[string]bool      // what is there under a wrong name or in a wrong form
}

// value is one attribute: what was read, and where.
type value struct {
	read any // nil: it is there, but wrong
	at   hcl.Range
}

// defaults is a block that is not in the files.
func defaults(kind *block) *object {
	o := &object{kind: kind, values: map[string]value{}}
	o.fillDefaults()
	return o
}

// name is the last label.
func (o *object) name() string {
	if len(o.labels) == 0 {
		return ""
	}
	return o.labels[len(o.labels)-1]
}

// variant is the first label where that decides what the block holds.
func (o *object) variant() string {
	if len(o.kind.variants) == 0 || len(o.labels) == 0 {
		return ""
	}
	return o.labels[0]
}

// only gives the block of which there may be one; the defaults where there is none.
func (o *object) only(word string) *object {
	if found := o.blocks[word]; len(found) > 0 {
		return found[0]
	}
	return defaults(o.kind.child(word))
}

// named finds a block in this one by its name; nil where there is none.
func (o *object) named(word, name string) *object {
	for _, candidate := range o.blocks[word] {
		if candidate.name() == name {
			return candidate
		}
	}
	return nil
}

// has reports whether the attribute was read and is right.
func (o *object) has(name string) bool { return o.values[name].read != nil }

// meant notes what a person meant by a name that is wrong here, so that it is not said to
// be missing as well.
func (o *object) meant(name string) {
	if o.tried == nil {
		o.tried = map[string]bool{}
	}
	o.tried[name] = true
	o.tried[Nearest(name, o.kind.words(o.variant()))] = true
}

// place is where the attribute stands; the header where it does not.
func (o *object) place(name string) hcl.Range {
	if v, ok := o.values[name]; ok && v.at.Filename != "" {
		return v.at
	}
	return o.at
}

// get gives the attribute; the zero value where it is missing or wrong.
func get[T any](o *object, name string) T {
	v, _ := o.values[name].read.(T)
	return v
}

func (o *object) text(name string) string            { return get[string](o, name) }
func (o *object) texts(name string) []string         { return get[[]string](o, name) }
func (o *object) count(name string) int              { return get[int](o, name) }
func (o *object) number(name string) float64         { return get[float64](o, name) }
func (o *object) duration(name string) time.Duration { return get[time.Duration](o, name) }

// titleOf names a block inside of another.
func titleOf(parent *object, word string, labels []string) string {
	var b strings.Builder
	if parent != nil && parent.title != "" {
		b.WriteString(parent.title + ", ")
	}
	b.WriteString(word)
	for _, l := range labels {
		fmt.Fprintf(&b, " %q", l)
	}
	return b.String()
}
