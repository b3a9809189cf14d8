package plugin

import (
	"context"
	"errors"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/proto"
)

// dispensed is the name under which a driver is served.
const dispensed = "driver"

// maxMessageBytes bounds one message: a VM's whole definition travels in a rest.
const maxMessageBytes = 64 << 20

// handshake keeps a binary that is no driver, or one of another contract, from being
// taken for one.
func handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{
		ProtocolVersion: drivers.ContractVersion, MagicCookieKey: "HOTSPARE_DRIVER", MagicCookieValue: "hotspare-driver-contract",
	}
}

// glue is what go-plugin wants to know of a driver. Each launch has its own.
type glue struct {
	goplugin.NetRPCUnsupportedPlugin
	driver drivers.Driver // on the serving side
}

// connection is what the launching side has of a running driver.
type connection struct{ conn *grpc.ClientConn }

func (g *glue) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	if g.driver == nil {
		return errors.New("no driver is given")
	}
	proto.RegisterDriverServer(s, &server{driver: g.driver})
	return nil
}

func (g *glue) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &connection{conn}, nil
}
