// Command hotspare-driver-libvirt is the driver for KVM hosts, as a plugin of hotspare.
package main

import (
	"github.com/hotspare/hotspare/drivers/libvirt"
	"github.com/hotspare/hotspare/drivers/plugin"
)

func main() { plugin.Serve(libvirt.New()) }
