package drivers

import "fmt"

// SameText compares two values by their texts alone.
func SameText(a, b Value) bool { return a.Text == b.Text }

// CheckExpected gives an error of kind Drift for a value found that the change may not
// overwrite: one that is none of c.Expected, as same compares them. Where none is given any
// may stand. op and object are for the error. A driver calls it once it knows that the
// value is neither the goal nor a half-made state of this same change.
func (c Change) CheckExpected(op, object string, found Value, same func(a, b Value) bool) error {
	if len(c.Expected) == 0 {
		return nil
	}
	for _, value := range c.Expected {
		if same(value, found) {
			return nil
		}
	}
	return Drifted(op, object, found, "found %q where %q is expected", found.Text, c.Expected[0].Text)
}

// Drifted gives the error of kind Drift for a value found; cause is a format of package fmt.
func Drifted(op, object string, found Value, cause string, args ...any) error {
	return &Error{
		Kind: Drift, Op: op, Object: object, Cause: fmt.Errorf(cause, args...), Found: &found,
		Next: "put it back by hand and retry, or skip the step to accept what is there",
	}
}
