# Milepost. `make` alone prints the targets.
GO       ?= go
BIN      := bin
TOOLS    := $(GO) build -modfile=.ci/tools.mod
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
SEEDS    ?= 200
BENCHTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help run demo-kill build test e2e check bench fuzz soak seeded lint clean

help: ## print the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/milepost (static)
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/milepost ./cmd/milepost

run: build ## start everything embedded: broker, engine, store, console, a virtual fleet
	@$(BIN)/milepost demo

demo-kill: build ## the same, killed with -9 every 3 s while the counters are shown
	@$(BIN)/milepost demo --kill 3s

test: ## unit, property, crash and simulation tests; needs nothing but Go
	CGO_ENABLED=0 $(GO) test ./...

lint: $(BIN)/golangci-lint ## gofmt, goimports, go vet, golangci-lint, the compose file by its schema
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e ./...
	$(BIN)/golangci-lint run ./...
	$(GO) run -modfile=.ci/tools.mod .ci/schema.go deploy/compose/compose-spec.json deploy/compose/compose.yaml
	@! command -v shellcheck >/dev/null || shellcheck .ci/e2e-deps deploy/local/kafka deploy/local/up deploy/compose/setup

$(BIN)/golangci-lint: .ci/tools.mod
	$(TOOLS) -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

check: lint build ## every gate: lint, tests with -race, short fuzz runs, rule checks, end-to-end tests
	MILEPOST_SEEDS=1 CGO_ENABLED=1 $(GO) test -race -timeout 25m ./...
	@$(MAKE) --no-print-directory fuzz
	$(BIN)/milepost check rules deploy/demo/rules
	@$(MAKE) --no-print-directory e2e

fuzz: ## every fuzz target for FUZZTIME (10s)
	@GO=$(GO) FUZZTIME=$(FUZZTIME) .ci/fuzz

e2e: build ## the real binary against Apache Kafka, Mosquitto and Chromium; says what is missing
	@.ci/e2e-deps
	$(GO) test -tags e2e -count=1 -timeout 15m ./cmd/internal/e2e/...

bench: build ## each figure beside its floor, BENCHTIME (30s) each
	@GO=$(GO) BENCHTIME=$(BENCHTIME) .ci/bench

soak: build ## many seeds and kills (SEEDS=200)
	MILEPOST_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 4h ./state/... ./cmd/internal/sim/...
	E2E_KILLS=1000 $(GO) test -tags e2e -count=1 -timeout 4h -run 'Kill' ./cmd/internal/e2e/...

seeded: ## apply each seeded bug and see a test go red
	@GO=$(GO) .ci/seeded

clean: ## remove what was built
	rm -rf $(BIN)
