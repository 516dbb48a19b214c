# make demo runs umqttd, make test checks everything, make alone lists the rest.
# A fresh machine needs Go and make; `make test` installs what else it needs.

GO       ?= go
FUZZTIME ?= 30s
COUNT    ?= 1
SOAK     ?= 10m
BENCH    ?= .

# Built from source through the module proxy, once for each version.
GOLANGCI_VERSION := v2.15.0
GOLANGCI         := .tools/golangci-lint-$(GOLANGCI_VERSION)

NFPM_VERSION := v2.43.0
NFPM         := .tools/nfpm-$(NFPM_VERSION)

# A release is a tag; between two of them the version says how far from the last.
VERSION  ?= $(shell git describe --tags --always --dirty --match 'v*' 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)
GOBUILD   = $(GO) build -ldflags '$(LDFLAGS)'

# Releases have no cgo and no paths of this machine in them. Everything else is built
# alike, so that nothing is compiled twice; but the race detector needs cgo.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(GOFLAGS) -trimpath)

# Results of earlier runs are good enough at a desk, not in CI.
TESTFLAGS ?= $(if $(CI),-count=1)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## run umqttd with a broker inside and simulated boards
	@bin/umqttd demo

.PHONY: test
test: packages check cross ## check and test everything; what runs in CI
	CGO_ENABLED=1 $(GO) test -race -timeout 5m $(TESTFLAGS) ./...

# What `make test` starts that is not Go. Does nothing if it is there.
.PHONY: packages
packages:
	@tools/install-test-packages
	@test/micropython/install
	@test/browser/install
	@test/firmware/install-packages

.PHONY: check
check: format vet fix lint ## look at the code without running it

.PHONY: format
format:
	@bad=$$(gofmt -l .) && { test -z "$$bad" || { echo "gofmt -w is needed for:"; echo "$$bad"; exit 1; }; } >&2

.PHONY: vet
vet:
	$(GO) vet -tags vm ./...

# Prints what go fix would change. It fails if that is anything.
.PHONY: fix
fix:
	$(GO) fix -diff -tags vm ./...

.PHONY: lint
lint: $(GOLANGCI) ## run golangci-lint
	$(GOLANGCI) run

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION), which takes a minute or two"
	@mkdir -p .tools
	GOBIN='$(CURDIR)/.tools' $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .tools/golangci-lint $@

.PHONY: build
build: ## build bin/umqttd for this machine
	$(GOBUILD) -o bin/umqttd ./cmd/umqttd

# Modem lines, unplugging and odd speeds need real drivers, and those a kernel.
.PHONY: vm
vm: ## run the tests of real serial drivers, in a virtual machine
	test/vm/install-packages
	$(GO) test -tags vm -timeout 15m $(TESTFLAGS) ./test/vm/...

# 64-bit and 32-bit Raspberry Pi OS (the oldest Pi has ARMv6), and PCs. vet looks at
# the tests too: 32 bits are where constants and atomics go wrong.
.PHONY: cross
cross: ## build bin/linux-*/umqttd for every platform
	GOOS=linux GOARCH=amd64 $(GOBUILD) -o bin/linux-amd64/umqttd ./cmd/umqttd
	GOOS=linux GOARCH=arm64 $(GOBUILD) -o bin/linux-arm64/umqttd ./cmd/umqttd
	GOOS=linux GOARCH=arm GOARM=6 $(GOBUILD) -o bin/linux-arm/umqttd ./cmd/umqttd
	GOOS=linux GOARCH=arm GOARM=6 $(GO) vet ./...

# What a board loads: the package compiled, one file for each module.
.PHONY: mpy
mpy: ## compile the MicroPython client to bin/micropython
	@test/micropython/install
	rm -rf bin/micropython
	node test/micropython/interpreter/compile.mjs bin/micropython/umqtt_serial clients/micropython/umqtt_serial

.PHONY: deb
deb: $(NFPM) ## build bin/umqttd_VERSION_ARCH.deb for amd64, arm64 and armhf
	NFPM='$(NFPM)' VERSION='$(VERSION)' REVISION='$(REVISION)' deploy/packaging/build

$(NFPM):
	@mkdir -p .tools
	GOBIN='$(CURDIR)/.tools' $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	@mv .tools/nfpm $@

.PHONY: generate
generate: ## write generated files anew; tests hold them equal to the code
	$(GO) generate ./...

.PHONY: bench
bench: ## run the benchmarks; BENCH=Decoder COUNT=10 for some of them
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

# go test -list says which packages have fuzz targets, so that none is forgotten.
.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (30s)
	@tests=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$tests"; exit 1; }; \
	echo "$$tests" | awk '/^Fuzz/ { t[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, t[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$package" </dev/null || exit 1; \
	done

# All at once, side by side, so that it takes no longer than SOAK. What is not the real
# thing gives way to it: a storm on a machine that does nothing else is the better one.
.PHONY: soak
soak: packages ## let everything fail for SOAK (10m): the real thing, simulated, fuzzed
	@seed=$${SEED:-$$(date +%s)}; pids=; status=0; \
	echo "soak: for $(SOAK); go test ./test/e2e -run TestStorm -v -storm.seed $$seed -storm.for $(SOAK)"; \
	$(GO) test -count=1 -timeout 0 -run '^TestStorm$$' ./test/e2e -v -storm.seed $$seed -storm.for $(SOAK) & pids="$$pids $$!"; \
	nice $(GO) test -count=1 -timeout 0 -run '^TestSimulation$$' ./test/simulation -sim.for $(SOAK) & pids="$$pids $$!"; \
	nice $(GO) test -run '^$$' -fuzz '^FuzzOpen$$' -fuzztime $(SOAK) -fuzzminimizetime 1s -parallel 1 ./mqttcore/outbox & pids="$$pids $$!"; \
	nice $(GO) test -run '^$$' -fuzz '^FuzzGateway$$' -fuzztime $(SOAK) -fuzzminimizetime 1s -parallel 1 ./devices/gateway & pids="$$pids $$!"; \
	for pid in $$pids; do wait $$pid || status=1; done; exit $$status

.PHONY: clean
clean: ## remove what was built, and the linter
	rm -rf bin .tools
