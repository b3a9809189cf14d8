package libvirt

import (
	"testing"

	"github.com/hotspare/hotspare/drivers/drivertest"
)

func TestTheReadmeTellsTheAttributes(t *testing.T) {
	drivertest.Documented(t, "README.md", schema)
}
