package libvirt

import (
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// markSpace is the XML namespace of our mark in a domain's metadata.
const markSpace = "https://hotspare.io/libvirt/1"

// mark is the element <hotspare:vm> in a domain's metadata: whose it is, what made it and
// of which template, that it is a template itself, or that a move of it has not ended.
type mark struct {
	Owner    drivers.Owner
	Change   string // that made it
	From     string // the template that it was made from
	Template bool
	Moving   string // the change that moves it here
}

// readMark reads a domain's mark; that of a domain without one is zero.
func readMark(domain *node) mark {
	n := findMark(domain)
	return mark{
		Owner:  drivers.Owner{Site: n.attr("site"), Holder: n.attr("holder")},
		Change: n.attr("change"), From: n.attr("from"), Template: n.attr("template") == "true", Moving: n.attr("moving"),
	}
}

func findMark(domain *node) *node {
	metadata := domain.kid("metadata")
	if metadata == nil {
		return nil
	}
	for _, k := range metadata.kids {
		prefix, local, _ := strings.Cut(k.name, ":")
		if local == "vm" && k.attrs["xmlns:"+prefix] == markSpace {
			return k
		}
	}
	return nil
}

func (m mark) String() string {
	attrs := map[string]string{
		"xmlns:hotspare": markSpace, "site": m.Owner.Site, "holder": m.Owner.Holder,
		"change": m.Change, "from": m.From, "moving": m.Moving,
	}
	if m.Template {
		attrs["template"] = "true"
	}
	return element("hotspare:vm", attrs)
}

// set gives the edit that puts the mark into a domain's text; an empty mark takes it out.
func (m mark) set(text string, domain *node) edit {
	with := m.String()
	if m == (mark{}) {
		with = ""
	}
	if old := findMark(domain); old != nil {
		return edit{old.start, old.end, with}
	}
	if metadata := domain.kid("metadata"); metadata != nil {
		if strings.HasSuffix(text[metadata.start:metadata.open], "/>") {
			return edit{metadata.start, metadata.end, "<metadata>" + with + "</metadata>"}
		}
		return edit{metadata.open, metadata.open, with}
	}
	after := domain.kid("name").end
	if with != "" {
		with = "<metadata>" + with + "</metadata>"
	}
	return edit{after, after, with}
}
