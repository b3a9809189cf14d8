// Package libvirt is the driver for a cluster of KVM hosts, each with its own libvirtd. A VM
// is a domain, known by its UUID and found on whichever host defines it; volumes are qcow2
// overlays in a shared folder.
//
// The package needs cgo, and libvirt's client library at run time. With the build tag
// libvirt_dlopen it compiles without libvirt's headers. The README beside this file says
// what lies where.
package libvirt
