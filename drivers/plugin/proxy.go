package plugin

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/proto"
)

// proxy is a driver at the other end of a gRPC connection.
type proxy struct{ client proto.DriverClient }

var _ drivers.Driver = (*proxy)(nil)

// NewProxy gives the driver that is served on a connection. The caller closes the
// connection; calls in flight then fail as Unavailable.
func NewProxy(conn grpc.ClientConnInterface) drivers.Driver {
	return &proxy{proto.NewDriverClient(conn)}
}

func (p *proxy) Describe(ctx context.Context) (drivers.Description, error) {
	m, err := p.client.Describe(ctx, &proto.DescribeRequest{})
	if err != nil {
		return drivers.Description{}, proto.ToError(ctx, err, "describe", "driver")
	}
	return proto.ToDescription(m), nil
}

func (p *proxy) Configure(ctx context.Context, c drivers.Configuration) error {
	_, err := p.client.Configure(ctx, proto.FromConfiguration(c))
	return proto.ToError(ctx, err, "configure", "cluster "+c.Cluster)
}

func (p *proxy) Health(ctx context.Context, report func(drivers.Health) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.client.Health(inner, &proto.HealthRequest{})
	if err != nil {
		return proto.ToError(ctx, err, "health", "driver")
	}
	return each(ctx, stream, "health", func(m *proto.HealthReport) error { return report(proto.ToHealth(m)) })
}

func (p *proxy) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.client.Inventory(inner, &proto.InventoryRequest{Replicas: request.Replicas})
	if err != nil {
		return proto.ToError(ctx, err, "inventory", "driver")
	}
	return each(ctx, stream, "inventory", func(m *proto.Item) error {
		i := proto.ToItem(m)
		if i == (drivers.Item{}) {
			return &drivers.Error{
				Kind: drivers.Invalid, Op: "inventory", Object: "driver", Cause: errors.New("it lists a thing of an unknown kind"),
				Next: "install a driver of this hotspare's version",
			}
		}
		return item(i)
	})
}

// each gives every message of a stream to f, until the stream ends well, or with an
// error, or f returns one, which each then returns.
func each[M any](ctx context.Context, stream grpc.ServerStreamingClient[M], op string, f func(*M) error) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return proto.ToError(ctx, err, op, "driver")
		}
		if err := f(m); err != nil {
			return err
		}
	}
}

func (p *proxy) Observe(ctx context.Context, property drivers.Property) (drivers.Value, error) {
	m, err := p.client.Observe(ctx, proto.FromProperty(property))
	if err != nil {
		return drivers.Value{}, proto.ToError(ctx, err, "observe "+property.Label()+" of", property.Target)
	}
	return proto.ToValue(m), nil
}

func (p *proxy) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	op := "set " + c.Property.Label() + " of"
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.client.Apply(inner, proto.FromChange(c))
	if err != nil {
		return drivers.Value{}, proto.ToError(ctx, err, op, c.Property.Target)
	}
	var value *proto.Value
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && value != nil:
			return proto.ToValue(value), nil
		case errors.Is(err, io.EOF):
			return drivers.Value{}, &drivers.Error{
				Kind: drivers.Unavailable, Op: op, Object: c.Property.Target, Cause: errors.New("the driver gave no result"),
			}
		case err != nil:
			return drivers.Value{}, proto.ToError(ctx, err, op, c.Property.Target)
		case m.GetValue() != nil:
			value = m.GetValue()
		case m.GetProgress() != nil && progress != nil:
			progress(proto.ToProgress(m.GetProgress()))
		}
	}
}
