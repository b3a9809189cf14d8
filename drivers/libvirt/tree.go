package libvirt

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// node is one element of an XML text, with its place in it. A domain is changed by
// replacing the text of a few elements: what this driver does not know stays as it is.
type node struct {
	name       string // with its prefix: "hotspare:vm"
	attrs      map[string]string
	text       string // of its own, trimmed
	start, end int    // of the whole element
	open       int    // end of its start tag
	kids       []*node
}

// parseTree reads one XML element.
func parseTree(text string) (*node, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var root *node
	var stack []*node
	for {
		start := int(d.InputOffset())
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: fullName(t.Name), attrs: map[string]string{}, start: start, open: int(d.InputOffset())}
			for _, a := range t.Attr {
				n.attrs[fullName(a.Name)] = a.Value
			}
			if len(stack) > 0 {
				parent := stack[len(stack)-1]
				parent.kids = append(parent.kids, n)
			} else if root == nil {
				root = n
			}
			stack = append(stack, n)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += strings.TrimSpace(string(t))
			}
		case xml.EndElement:
			if len(stack) == 0 {
				return nil, errors.New("it is no XML: an element ends that did not begin")
			}
			stack[len(stack)-1].end = int(d.InputOffset())
			stack = stack[:len(stack)-1]
		}
	}
	if root == nil || len(stack) > 0 {
		return nil, errors.New("it is no whole XML element")
	}
	return root, nil
}

func fullName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// kid gives the first child of a name, or nil; all children of the path's last name with
// all. Both may be called on nil.
func (n *node) kid(path ...string) *node {
	for _, name := range path {
		var next *node
		if n != nil {
			for _, k := range n.kids {
				if k.name == name {
					next = k
					break
				}
			}
		}
		n = next
	}
	return n
}

func (n *node) all(path ...string) []*node {
	n = n.kid(path[:len(path)-1]...)
	if n == nil {
		return nil
	}
	var list []*node
	for _, k := range n.kids {
		if k.name == path[len(path)-1] {
			list = append(list, k)
		}
	}
	return list
}

// attr gives an attribute; empty on nil.
func (n *node) attr(name string) string {
	if n == nil {
		return ""
	}
	return n.attrs[name]
}

// edit replaces parts of a text. Parts must not overlap.
type edit struct {
	start, end int
	with       string
}

// drop cuts an element out of the text.
func drop(n *node) edit { return edit{n.start, n.end, ""} }

// apply makes the edits, from the last to the first.
func apply(text string, edits ...edit) string {
	for i := range edits {
		for j := i + 1; j < len(edits); j++ {
			if edits[j].start > edits[i].start {
				edits[i], edits[j] = edits[j], edits[i]
			}
		}
	}
	for _, e := range edits {
		text = text[:e.start] + e.with + text[e.end:]
	}
	return text
}

// setAttrs gives the edit that sets attributes in the element's start tag; all others stay.
// It writes the tag anew, attributes in order.
func (n *node) setAttrs(text string, set map[string]string) edit {
	closing := ">"
	if strings.HasSuffix(text[n.start:n.open], "/>") {
		closing = "/>"
	}
	merged := map[string]string{}
	for k, v := range n.attrs {
		merged[k] = v
	}
	for k, v := range set {
		merged[k] = v
	}
	return edit{n.start, n.open, "<" + n.name + attributes(merged) + closing}
}
