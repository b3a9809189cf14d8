// Package devsite is a recovery site to develop and to try hotspare against: a simulated
// vCenter (govmomi's simulator) with hosts where room is scarce, three protection groups
// with replicas, standby VMs, templates, and the services that readiness checks look at.
//
// README.md holds its names and its room arithmetic. It listens on 127.0.0.1 only. It is
// no test of a real vCenter: the simulator accepts much that vCenter refuses.
package devsite
