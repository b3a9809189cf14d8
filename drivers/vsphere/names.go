package vsphere

import "strings"

// vCenter escapes three characters in the names of what its inventory holds.
var (
	nameEscapes = strings.NewReplacer("%", "%25", "/", "%2f", `\`, "%5c")
	namePlain   = strings.NewReplacer("%25", "%", "%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`)
)

// plainName gives a name as people write it, from the form in which vCenter lists it.
func plainName(listed string) string { return namePlain.Replace(listed) }

// listedName gives a name in the form in which vCenter lists it.
func listedName(plain string) string { return nameEscapes.Replace(plain) }
