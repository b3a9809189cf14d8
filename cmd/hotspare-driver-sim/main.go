// Hotspare-driver-sim is the driver for a simulated site that lives in a file. Hotspare
// launches it; it serves for demonstrations and for tests.
package main

import (
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
)

func main() { plugin.Serve(sim.NewProcess()) }
