#!/bin/sh
# Writes driver.pb.go and driver_grpc.pb.go anew from driver.proto, with protoc of
# Debian's protobuf-compiler (3.21) and with generators of exactly these versions, which
# it builds into a folder of its own and deletes again.
set -eu

protoc_gen_go=v1.36.12
protoc_gen_go_grpc=v1.6.2

cd "$(dirname "$0")"
if ! protoc --version | grep -q '^libprotoc 3\.21\.'; then
	echo "generate: protoc 3.21 is needed: apt-get install protobuf-compiler" >&2
	exit 1
fi
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install "google.golang.org/protobuf/cmd/protoc-gen-go@$protoc_gen_go"
GOBIN=$tools go install "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$protoc_gen_go_grpc"
PATH=$tools:$PATH protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative driver.proto
