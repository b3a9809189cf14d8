// Command hotspare-driver-vsphere is the driver for a vCenter, as a plugin of hotspare.
package main

import (
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/vsphere"
)

func main() { plugin.Serve(vsphere.New()) }
