package proto_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/proto"
)

// fill gives every field of a value something, so that a field that a conversion forgets
// is noticed.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 7).UTC()))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"v":1}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(rune('a'+*n%26)) + "žluť")
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		panic(v.Kind().String())
	}
}

func roundTrip[T any](t *testing.T, there func(T) T) {
	t.Helper()
	var full, zero T
	n := 0
	fill(reflect.ValueOf(&full).Elem(), &n)
	for _, v := range []T{full, zero} {
		if diff := cmp.Diff(v, there(v)); diff != "" {
			t.Errorf("%T: %s", v, diff)
		}
	}
}

func TestNothingIsLostOnTheWay(t *testing.T) {
	roundTrip(t, func(v drivers.Property) drivers.Property { return proto.ToProperty(proto.FromProperty(v)) })
	roundTrip(t, func(v drivers.Value) drivers.Value { return proto.ToValue(proto.FromValue(v)) })
	roundTrip(t, func(v drivers.Change) drivers.Change { return proto.ToChange(proto.FromChange(v)) })
	roundTrip(t, func(v drivers.Configuration) drivers.Configuration {
		return proto.ToConfiguration(proto.FromConfiguration(v))
	})
	roundTrip(t, func(v drivers.Health) drivers.Health { return proto.ToHealth(proto.FromHealth(v)) })
	roundTrip(t, func(v drivers.Progress) drivers.Progress { return proto.ToProgress(proto.FromProgress(v)) })
	roundTrip(t, func(v drivers.Description) drivers.Description {
		return proto.ToDescription(proto.FromDescription(v))
	})
	item := func(i drivers.Item) drivers.Item { return proto.ToItem(proto.FromItem(i)) }
	roundTrip(t, func(v drivers.HostItem) drivers.HostItem { return *item(drivers.Item{Host: &v}).Host })
	roundTrip(t, func(v drivers.VMItem) drivers.VMItem { return *item(drivers.Item{VM: &v}).VM })
	roundTrip(t, func(v drivers.NetworkItem) drivers.NetworkItem { return *item(drivers.Item{Network: &v}).Network })
	roundTrip(t, func(v drivers.DatastoreItem) drivers.DatastoreItem {
		return *item(drivers.Item{Datastore: &v}).Datastore
	})
	roundTrip(t, func(v drivers.ReplicaItem) drivers.ReplicaItem { return *item(drivers.Item{Replica: &v}).Replica })
}

// A replica's problem may quote a file, whatever is in it; protobuf carries UTF-8 only.
func TestAProblemMayBeAnyBytes(t *testing.T) {
	m := proto.FromItem(drivers.Item{Replica: drivers.Unreadable("/r", errors.New("it begins with \xff\xfe"))})
	if _, err := protobuf.Marshal(m); err != nil {
		t.Error(err)
	}
}

func TestContextErrorsStayWhatTheyAre(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := proto.ToError(ended, proto.FromError(context.Canceled), "op", "object"); err != context.Canceled {
		t.Fatal(err)
	}
	if err := proto.ToError(context.Background(), proto.FromError(nil), "op", "object"); err != nil {
		t.Fatal(err)
	}
}
