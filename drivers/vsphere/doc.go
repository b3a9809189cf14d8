// Package vsphere is the driver for one vCenter: it sets the properties of the drivers
// contract through the vSphere API.
//
// What belongs together, file by file:
//
//	driver.go     the contract's methods; which property goes to which code
//	settings.go   the configuration block and its schema
//	session.go    the one session: its calls and their limits; connect.go login.go
//	watch.go      waiting for tasks and states; pump.go: the one property collector for all
//	tasks.go      running a task; waiting for what an earlier call left running
//	batch.go      calls that many share; reads.go: reads of single objects that do
//	uuids.go      which VM has an instance UUID, while many are looked for
//	read.go       reading objects in bulk; lookup.go names.go stores.go: from names to objects
//	faults.go     from vSphere's faults to the contract's kinds of errors
//	power.go host.go disk.go backing.go attached.go nic.go network.go a VM's properties
//	machine.go presence.go clone.go tags.go                          whether it exists
//	datastore.go mounts.go                                           NAS datastores
//	volume.go birth.go record.go                                     volumes
//	replica.go manifest.go promote.go                                replicas
//	files.go paths.go                                                files on datastores
//	inventory.go vmitem.go health.go                                 reading the site
//
// The driver holds no state of its own: what it must find again lies in the VM's
// extraConfig, or in a small file beside what it describes.
package vsphere
