package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hotspare/hotspare/drivers"
)

// restVersion is in every rest; a rest of a later version is refused.
const restVersion = 1

// rest gives what a value's rest holds, as JSON with its version.
func rest(fields map[string]any) json.RawMessage {
	fields["v"] = restVersion
	data, err := json.Marshal(fields) // maps are written with sorted keys
	if err != nil {
		panic(err) // strings, numbers and bools only
	}
	return data
}

// readRest reads a rest that the journal gave back. An empty one leaves out as it is.
func readRest(data json.RawMessage, out any) error {
	if len(data) == 0 {
		return nil
	}
	var version struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return fmt.Errorf("rest of the goal: %w", err)
	}
	if version.V != restVersion {
		return fmt.Errorf("rest of the goal has version %d, this driver reads %d", version.V, restVersion)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("rest of the goal: %w", err)
	}
	return nil
}

// matches says whether what stands is what is wanted. A wanted value without a rest asks
// for its text only.
func matches(have, want drivers.Value) bool {
	return have.Text == want.Text && (len(want.Rest) == 0 || sameJSON(have.Rest, want.Rest))
}

func matchesAny(have drivers.Value, want []drivers.Value) bool {
	return slices.ContainsFunc(want, func(w drivers.Value) bool { return matches(have, w) })
}

func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// digest names a spec, so that a thing made from it can be told from any other.
func digest(spec any) string {
	data, err := json.Marshal(spec)
	if err != nil {
		panic(err) // specs are plain data
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// ID gives the UUID of the VM that a test names: always the same for the same name.
func ID(name string) string {
	sum := sha256.Sum256([]byte("hotspare sim vm " + name))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func macFor(id, slot string) string {
	sum := sha256.Sum256([]byte(id + " " + slot))
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3], sum[4])
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// failure builds the driver's errors for one operation on one object.
type failure struct{ op, object string }

func (f failure) of(kind drivers.ErrorKind, next, format string, args ...any) error {
	return &drivers.Error{Kind: kind, Op: f.op, Object: f.object, Cause: fmt.Errorf(format, args...), Next: next}
}

func (f failure) invalid(format string, args ...any) error {
	return f.of(drivers.Invalid, "", format, args...)
}

func (f failure) notFound(next, format string, args ...any) error {
	return f.of(drivers.NotFound, next, format, args...)
}

func (f failure) refused(next, format string, args ...any) error {
	return f.of(drivers.Refused, next, format, args...)
}

func (f failure) drift(have drivers.Value, format string, args ...any) error {
	return &drivers.Error{
		Kind: drivers.Drift, Op: f.op, Object: f.object, Cause: fmt.Errorf(format, args...), Found: &have,
		Next: "put the value back, or accept it",
	}
}

// wrap makes any error a driver's error; the context's errors stay what they are.
func (f failure) wrap(err error, ctxErr error) error {
	var e *drivers.Error
	switch {
	case err == nil, errors.As(err, &e), ctxErr != nil && errors.Is(err, ctxErr):
		return err
	default:
		return &drivers.Error{Kind: drivers.Unavailable, Op: f.op, Object: f.object, Cause: err}
	}
}

func reason(format string, args ...any) error { return fmt.Errorf(format, args...) }

func contains(list []string, s string) bool { return slices.Contains(list, s) }
