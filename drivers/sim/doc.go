// Package sim is a recovery site in memory, and a driver for it.
//
// A [Site] holds hosts, VMs, networks, datastores, volumes, replicas with their restore
// points, and callouts. A [Driver] sets properties of them as the contract in package
// drivers says, and refuses what a real hypervisor refuses: a disk swapped while the VM
// is on, one volume on two running VMs, more memory than the host has.
//
// The site outlives its drivers, as a real one does: a driver that is killed leaves
// half-made states and running tasks behind, and the next one finds them. A Site made by
// [NewSite] lives in memory; one made by [Open] lives in a file, so that it survives the
// plugin process that works on it.
//
// Time is that of package time, so a test may run a site under testing/synctest and
// watch hours pass at once. Everything may be called at once from many goroutines.
package sim
