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

.PHONY: help build demo test test-rigs bench check generate laws clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build hotspare, its drivers and their checksums into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/hotspare $(DRIVERS:%=./cmd/hotspare-driver-%) $(TOOLS:%=./cmd/%)
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(CGO_DRIVERS:%=./cmd/hotspare-driver-%)
	@cd $(BIN) && for d in $(DRIVERS) $(CGO_DRIVERS); do sha256sum hotspare-driver-$$d > hotspare-driver-$$d.sha256; done

demo: build ## watch the whole story on a simulated vCenter: lend, alert, failover, kills, revert
	$(GO) run ./scripts/demo

test: ## run all tests (under 15 minutes on two cores)
	$(GO) vet ./...
	$(GO) test -timeout 12m ./...

test-rigs: ## run the tests that must run alone
	@echo "no rig yet: everything runs in make test"

laws: ## the exhaustive suites: 500 random histories through server, journal and site
	HOTSPARE_LAW_HISTORIES=500 $(GO) test -count=1 -timeout 20m -run TestLaw ./scheduler/server

bench: ## print the figures beside their targets
	$(GO) test -run '^$$' -bench 'Target' -benchtime 1x -count 1 -timeout 20m ./scheduler/server

check: ## formatting, vet, static checks
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

generate: ## regenerate the gRPC code of the drivers' contract
	cd drivers/proto && ./generate.sh

clean: ## remove what was built
	rm -rf $(BIN)
