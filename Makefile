# Short names for what is done often. Each target sets up what it needs by itself; .ci/run is `make test`.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# What is shipped is built with this Go, and audited with it, for its standard library is a part of it: the latest patch
# of the version in go.mod. Where it is not installed, go fetches it. The Dockerfile names it too.
TOOLCHAIN ?= go1.26.10
# What the server spends its time on, for the compiler: bench/profile.sh makes it.
PGO ?= bench/enigma.pgo
FUZZTIME ?= 10m
BENCH ?= .
COUNT ?= 6

.PHONY: run build release test lint fmt bench bench-compare bench-peers soak fuzz audit tools

run: build ## build the server and run it on its defaults
	bin/enigma serve

build: ## build bin/enigma
	go build -trimpath -pgo $(PGO) -ldflags '-X main.version=$(VERSION)' -o bin/enigma ./cmd/enigma

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

release: export GOTOOLCHAIN = $(TOOLCHAIN)
release: ## binaries for PLATFORMS, static, with their checksums, in dist/
	@rm -rf dist && mkdir dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} suffix=; [ $$os = windows ] && suffix=.exe; \
		file=dist/enigma-$(VERSION)-$$os-$$arch$$suffix; echo $$file; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -pgo $(PGO) -ldflags '-s -w -X main.version=$(VERSION)' -o $$file ./cmd/enigma || exit 1; \
	done
	@cd dist && sha256sum enigma-* > SHA256SUMS

test: tools lint ## everything a change must pass
	go test -race -timeout 12m ./...
	go test -timeout 5m ./actors/... ./transport ./transport/client/... # what counts allocations, which the race detector changes
	.ci/fuzz 2s # every target for a moment; make fuzz is for longer
	@echo 'all tests passed'

lint: ## formatting, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

fmt: ## format all sources
	gofmt -w .

bench: ## benchmarks; compare two runs with: go tool benchstat OLD NEW
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 2h ./...

bench-compare: ## benchmarks of the revision BASE and of the working tree, compared; BENCH and COUNT apply
	BENCH='$(BENCH)' COUNT='$(COUNT)' bench/compare.sh '$(BASE)'

bench-peers: ## the server beside the floor, NATS and mosquitto under the same load
	@.ci/need mosquitto
	cd bench/peers && go run .

soak: tools ## the long versions of the tests that have one
	ENIGMA_SOAK=1 go test -count 1 -timeout 6h ./...
	go test -count 1 -run Delivery ./actors -rapid.checks 20000 -rapid.steps 150

fuzz: ## every fuzz target for FUZZTIME, which takes hours
	.ci/fuzz $(FUZZTIME)

audit: export GOTOOLCHAIN = $(TOOLCHAIN)
audit: ## known mistakes (gosec) and vulnerabilities (govulncheck); in what is shipped; takes minutes, the first time
	.ci/audit

tools: ## what the tests need beside Go
	@.ci/need redis-server redis-sentinel strace curl tmux chromium zsh fish
