# Thin targets: what they do stands in the programs that they call.
GO ?= go
COMPILE = CGO_ENABLED=0 $(GO) build -trimpath -tags urfave_cli_no_docs,vwrap_quiet -ldflags "-s -w -checklinkname=0$(FLAGS)"
# RELEASE=1.2.3 stamps a version: the same binary as that of the release, of the same commit and Go. ENTRY has vwrap begin in
# internal/headstart, where that knows how: docs/decisions/0015-entry.md.
build cross: FLAGS = $(ENTRY)$(if $(RELEASE), -X github.com/vwrap/vwrap/internal/cli.release=$(RELEASE))
ENTRY = $$(case $$($(GO) env GOOS)/$$($(GO) env GOARCH) in (linux/amd64|linux/arm64) echo ' -E vwrap_entry';; esac)

.PHONY: build servers test cross lint e2e e2e-containers e2e-full contract demo bench bench-checks soak fleet fuzz release-check vuln docs clean

build: ## bin/vwrap, one static binary
	$(COMPILE) -o bin/vwrap .

test: build lint ## every test: units under the race detector, then the binary against real servers
	.ci/install test
	$(MAKE) --no-print-directory cross
	$(GO) test -race ./...
	cd devvault && $(GO) vet ./...
	cd bench && $(GO) vet ./...
	cd examples && $(GO) vet ./...
	cd docs && $(GO) vet ./... && $(GO) test ./...
	$(MAKE) --no-print-directory e2e
	$(MAKE) --no-print-directory e2e-containers

cross: ## builds and vets for the other systems that vwrap runs on
	for target in linux/arm64 linux/arm darwin/amd64 darwin/arm64; do \
		echo "== $$target"; export GOOS=$${target%/*} GOARCH=$${target#*/}; \
		$(COMPILE) -o /dev/null . && $(GO) vet ./... || exit 1; \
	done

lint: ## all modules; and whether the linter finds what is forbidden
	.ci/lint

servers: ## builds what tests run beside vwrap: minutes when cold, once for its sources
	cd e2e && $(GO) run ./built/prepare

e2e: build servers
	cd e2e && $(GO) vet ./... && VWRAP_E2E_BIN=$(CURDIR)/bin/vwrap $(GO) test -count=1 -timeout 30m .

e2e-containers: build servers ## under a Docker engine of its own, which it starts and stops: ENTRYPOINT, Compose, dev containers
	.ci/install containers
	cd e2e && PATH="$$($(GO) env GOPATH)/bin:$$PATH" VWRAP_E2E_BIN=$(CURDIR)/bin/vwrap $(GO) test -count=1 -timeout 30m ./containers

e2e-full: build servers ## what takes too long for each run: clusters that lose their leader, and the soak
	.ci/install test
	cd e2e && $(GO) vet -tags full ./... && VWRAP_E2E_BIN=$(CURDIR)/bin/vwrap $(GO) test -tags full -count=1 -timeout 30m -run '^(TestCluster|TestServerKilled|TestLive|TestOverlap|TestSupervisorHoldsNoValueInAnyMode)' .
	$(MAKE) --no-print-directory soak

contract: build servers ## tries vwrap, tini and dumb-init, and writes docs/process-contract.md; and the table of docs/faults.md
	.ci/install test
	cd e2e && VWRAP_E2E_WRITE=1 VWRAP_E2E_BIN=$(CURDIR)/bin/vwrap $(GO) test -count=1 -run '^(TestProcessContract|TestFaultsDocument|TestEndpointsDocument)$$' .

demo: build ## a server whose key and database user are rotated while Vault comes and goes: half a minute, before your eyes
	cd examples && $(COMPILE) -o ../bin/demo-server ./drill
	bin/vwrap dev --ci --server embedded --config examples/drill/vwrap.yaml --drill 10s --for 30s --faults outage,revoke,seal --probe http://127.0.0.1:8391/ -- bin/demo-server

bench: build servers $(if $(QUICK),,bench-checks) ## prints figures; writes them into docs/performance.md, but with QUICK=1. PEERS=dir: more peers
	cd bench && $(GO) run . -vwrap ../bin/vwrap -peers '$(abspath $(PEERS))' $(if $(QUICK),-quick,-write ../docs/performance.md)

bench-checks: ## what the checks may take: parity 128 MiB for a hundred thousand keys, leaks half the speed of grep
	$(GO) test -run - -bench Tree -benchtime 1x -timeout 30m ./internal/check/parity ./internal/check/leaks

soak: build servers ## one fault after another for SOAK, of a seed that it prints
	.ci/install test
	cd e2e && VWRAP_SOAK=$(or $(SOAK),10m) VWRAP_E2E_BIN=$(CURDIR)/bin/vwrap $(GO) test -count=1 -timeout 24h -run '^TestSoak$$' -v .

fleet: ## ten thousand keepers, a day, and an outage; and what docs/scale.md says of fleets, written there: minutes
	VWRAP_FLEET=24h VWRAP_SCALE=10000 VWRAP_WRITE=1 $(GO) test -count=1 -timeout 1h -run '^(TestFleet|TestScale)$$' -v ./envsource/vault

fuzz: ## each fuzz target for FUZZTIME
	.ci/fuzz $(or $(FUZZTIME),1m)

release-check: ## tries what a release does, up to where an account is needed
	.ci/release-check

vuln: ## asks the Go vulnerability database about what is linked; it needs the network
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...
	-cd devvault && $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./... # an old Vault, for development alone: SECURITY.md

docs: build ## writes what is made of other files, and of a run: docs/reference.md, pictures
	VWRAP_WRITE=1 $(GO) test -count=1 -run "^TestReference$$" ./internal/config
	cd docs && $(GO) run ./pictures pictures
	cd docs && $(GO) run ./recording ../bin/vwrap pictures/session.svg

clean:
	rm -rf bin dist
