package restorepoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// VolumeName is the target of a volume: its holder, and its name there.
type VolumeName struct{ Holder, Volume string }

// String gives the target.
func (v VolumeName) String() string { return v.Holder + "/" + v.Volume }

// ParseVolume reads a target "HOLDER/VOLUME"; its error is of kind Invalid.
func ParseVolume(target string) (VolumeName, error) {
	holder, volume, found := strings.Cut(target, "/")
	if !found || holder == "" || volume == "" {
		return VolumeName{}, drivers.Invalidf("read", "volume "+target, "a volume's target is HOLDER/VOLUME")
	}
	return VolumeName{holder, volume}, nil
}

// Escape makes one name of a path of any text, so that different texts give different
// names and none leads out of its folder.
func Escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// Names gives the volumes' names, sorted.
func Names(volumes map[string]string) []string { return slices.Sorted(maps.Keys(volumes)) }

// Encode gives a rest, a record or a marker as JSON. The types that it is given always
// encode.
func Encode(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}
