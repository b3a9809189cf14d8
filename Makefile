# hotspare: the targets. `make` lists them.
GO      ?= go
BIN     := bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The libvirt driver needs cgo; hotspare itself and the others are built without it.
CGO_DRIVERS := libvirt
DRIVERS := sim vsphere
TOOLS   := hotspare-dev-vcenter
# With this tag libvirt's headers are not needed, only a C compiler.
export GOFLAGS := $(strip $(GOFLAGS) -tags=libvirt_dlopen)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Exact versions of the tools that the checks run.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

# Packages whose tests boot real virtual machines: one after the other.
KVM := ./drivers/libvirt/... ./scripts/demo

.PHONY: help build demo demo-kvm test test-rigs bench bench-kvm conformance check generate laws clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build hotspare, its drivers and their checksums into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/hotspare $(DRIVERS:%=./cmd/hotspare-driver-%) $(TOOLS:%=./cmd/%)
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(CGO_DRIVERS:%=./cmd/hotspare-driver-%)
	@cd $(BIN) && for d in $(DRIVERS) $(CGO_DRIVERS); do sha256sum hotspare-driver-$$d > hotspare-driver-$$d.sha256; done

demo: build ## watch the whole story on a simulated vCenter: lend, alert, failover, kills, revert
	$(GO) run ./scripts/demo

demo-kvm: build ## the same story on real virtual machines; needs root, installs libvirt and QEMU
	$(GO) run ./scripts/kvm-rig install
	$(GO) run ./scripts/demo --kvm

test: ## run all tests (under 15 minutes on two cores)
	$(GO) vet ./...
	$(GO) test -timeout 12m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(KVM))")
	$(GO) test -timeout 12m -p 1 $(KVM)

test-rigs: ## run the tests that must run alone
	@echo "no rig yet: everything runs in make test"

conformance: ## the conformance suite of every driver, and its table, property by property
	$(GO) test -count=1 -timeout 12m -p 1 -v -run 'TestConformance|TestSim' ./drivers/drivertest ./drivers/vsphere ./drivers/libvirt | grep -E '^(---|ok|FAIL)|  (ok|skipped|FAILED)  |PROPERTY'

laws: ## the exhaustive suites: 500 random histories, and a vCenter that is gone for a minute
	HOTSPARE_LAW_HISTORIES=500 $(GO) test -count=1 -timeout 20m -run TestLaw ./scheduler/server
	HOTSPARE_GONE=60s $(GO) test -count=1 -timeout 10m -run HostileDays ./cmd/hotspare/serve

bench: ## print the figures beside their targets
	$(GO) test -run '^$$' -bench 'Target' -benchtime 1x -count 1 -timeout 20m -p 1 ./scheduler/server ./cmd/hotspare/serve ./drivers/vsphere

bench-kvm: ## the figures of real virtual machines: 16 guests taken back, and what the driver adds to a call
	$(GO) test -run '^$$' -bench 'KVM' -benchtime 1x -count 1 -timeout 30m -p 1 ./scripts/demo ./drivers/libvirt

check: ## formatting, vet, static checks
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

generate: ## regenerate the gRPC code of the drivers' contract
	cd drivers/proto && ./generate.sh

clean: ## remove what was built
	rm -rf $(BIN)
