// Package drivers is the contract between the scheduler and a hypervisor.
//
// A driver sets properties of things at one cluster. It remembers nothing between
// calls: what must be known to take a change back travels in the [Value] that the
// driver returned and that the caller's journal keeps. The same [Driver] interface is
// implemented by every driver and by its gRPC proxy (package plugin), so a caller cannot
// tell the two apart.
//
// The package imports only the standard library: a driver's author needs nothing else.
package drivers
