// Package kvmsite is a small recovery site of real parts on one Linux machine: libvirt hosts
// in namespaces of their own, networks that span them, guests that boot, storage servers, a
// replica with restore points, and a production side. It drives virsh, qemu-img, ip and
// nsenter, needs root, and touches nothing outside its namespaces and its folder.
//
// [Up] makes a site, [Open] finds one that is up, and [Site.Down] takes it away. Every process
// of a site carries the site's folder in its environment: that is how Down finds all of them,
// also after an Up that was killed. The README beside this file lists what a site holds.
package kvmsite
