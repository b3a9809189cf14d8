package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/proto"
)

// server gives a driver to gRPC. A panic of the driver is an error of that one call.
type server struct {
	proto.UnimplementedDriverServer
	driver drivers.Driver
}

// guard turns a panic into the call's error, and any error into its status.
func guard(op string, err *error) {
	if r := recover(); r != nil {
		slog.Error("the driver panicked", "call", op, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		*err = &drivers.Error{
			Kind: drivers.Unavailable, Op: op, Object: "driver", Cause: fmt.Errorf("the driver panicked: %v", r),
			Next: "report it with the driver's log",
		}
	}
	*err = proto.FromError(*err)
}

func (s *server) Describe(ctx context.Context, _ *proto.DescribeRequest) (reply *proto.Description, err error) {
	defer guard("describe", &err)
	d, err := s.driver.Describe(ctx)
	return proto.FromDescription(d), err
}

func (s *server) Configure(ctx context.Context, m *proto.Configuration) (reply *proto.ConfigureReply, err error) {
	defer guard("configure", &err)
	return &proto.ConfigureReply{}, s.driver.Configure(ctx, proto.ToConfiguration(m))
}

func (s *server) Health(_ *proto.HealthRequest, stream grpc.ServerStreamingServer[proto.HealthReport]) (err error) {
	defer guard("health", &err)
	return s.driver.Health(stream.Context(), func(h drivers.Health) error { return stream.Send(proto.FromHealth(h)) })
}

func (s *server) Inventory(m *proto.InventoryRequest, stream grpc.ServerStreamingServer[proto.Item]) (err error) {
	defer guard("inventory", &err)
	request := drivers.InventoryRequest{Replicas: m.GetReplicas()}
	return s.driver.Inventory(stream.Context(), request, func(i drivers.Item) error { return stream.Send(proto.FromItem(i)) })
}

func (s *server) Observe(ctx context.Context, m *proto.Property) (reply *proto.Value, err error) {
	p := proto.ToProperty(m)
	defer guard("observe "+p.Label()+" of "+p.Target, &err)
	v, err := s.driver.Observe(ctx, p)
	return proto.FromValue(v), err
}

func (s *server) Apply(m *proto.Change, stream grpc.ServerStreamingServer[proto.ApplyReply]) (err error) {
	c := proto.ToChange(m)
	defer guard("apply "+c.Property.Label()+" of "+c.Property.Target, &err)
	out := progressStream{stream: stream}
	defer out.close()
	v, err := s.driver.Apply(stream.Context(), c, out.progress)
	if err != nil {
		return err
	}
	return out.value(v)
}

// progressStream lets progress, from any goroutine, and then the value onto one stream.
type progressStream struct {
	mu     sync.Mutex
	stream grpc.ServerStreamingServer[proto.ApplyReply]
	closed bool
}

// progress drops what comes while the stream is busy or after its end: it is advisory,
// and must not block.
func (s *progressStream) progress(p drivers.Progress) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if err := s.stream.Send(&proto.ApplyReply{Reply: &proto.ApplyReply_Progress{Progress: proto.FromProgress(p)}}); err != nil {
		s.closed = true // the caller is gone, which the driver learns from its context
	}
}

func (s *progressStream) value(v drivers.Value) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.stream.Send(&proto.ApplyReply{Reply: &proto.ApplyReply_Value{Value: proto.FromValue(v)}})
}

func (s *progressStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}
