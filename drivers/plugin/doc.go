// Package plugin runs a driver in a process of its own, by hashicorp/go-plugin.
//
// A driver's main calls [Serve]. The other side calls [Supervise], and has a
// [drivers.Driver] that stays when the process behind it dies: the process is launched
// again, and configured again, while callers get errors of kind Unavailable.
//
// A driver is not trusted to be well. One that hangs is killed, whatever it does about
// signals; one that crashes is launched again with backoff; one that fails again and again
// before it has worked, or that no other launch would mend, is [Held] with the reason, and
// tried slowly, or at once on [Supervisor.Retry]. What it prints is bounded, what it
// started ends with it, and a launch that fails leaves no process.
//
// A binary is run only if its SHA-256 stands in a file beside it, "<binary>.sha256" in
// the format of sha256sum. The two sides speak over a unix socket with certificates that
// are made for each launch; the process gets a clean environment.
package plugin
