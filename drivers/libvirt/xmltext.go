package libvirt

import (
	"encoding/xml"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// attributes writes attributes, sorted; empty ones are left out.
func attributes(attrs map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		if attrs[name] != "" {
			b.WriteString(" " + name + "='" + escapeXML(attrs[name]) + "'")
		}
	}
	return b.String()
}

// element writes an element without content.
func element(name string, attrs map[string]string) string {
	return "<" + name + attributes(attrs) + "/>"
}

func escapeXML(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}

var betweenTags = regexp.MustCompile(`>\s+<`)

// squeeze takes the indentation out of an element's text, so that equal elements are equal
// texts.
func squeeze(text string) string {
	return strings.TrimSpace(betweenTags.ReplaceAllString(text, "><"))
}
