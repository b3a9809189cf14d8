// Package plugin runs a driver in a process of its own, by hashicorp/go-plugin.
//
// A driver's main calls [Serve]. The other side calls [Supervise], and has a
// [drivers.Driver] that stays when the process behind it dies: the process is launched
// again, and configured again, while callers get errors of kind Unavailable.
//
// A binary is run only if its SHA-256 stands in a file beside it, "<binary>.sha256" in
// the format of sha256sum. The two sides speak over a unix socket with certificates that
// are made for each launch; the process gets a clean environment.
package plugin
