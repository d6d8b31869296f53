#!/usr/bin/env bash
# Makes the runs that README.md shows, and puts what they print and draw into a directory. Usage: bench/measure.sh [DIR]
#
# It takes about half an hour; nothing else should run on the machine. DURATION (10s) is how long messages count in each
# run, ROUNDS (3) how often each run is made for the tables beside other servers. `make bench` has the Go benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-bench/results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
duration=${DURATION:-10s}
bin=$(mktemp -d)
server=
trap 'rm -rf "$bin"' EXIT
go build -pgo bench/enigma.pgo -o "$bin/enigma" ./cmd/enigma

# start ARGS: a server of its own for each run, for memory that was taken once is not all given back.
start() {
	rm -rf "$bin/data"
	"$bin/enigma" serve --listen 127.0.0.1:0 --admin off --store "$bin/data" --log-level warn "$@" >"$bin/out" &
	server=$!
	until grep -q listening "$bin/out"; do sleep 0.1; done
	url=$(sed -n 's/^listening on //p' "$bin/out")
}
stop() {
	[ -z "$server" ] || { kill "$server" && wait "$server" || true; }
	server=
}
# load MODE SETTINGS: one run, or one for each number of users.
load() {
	start
	echo "== enigma load $*"
	"$bin/enigma" load "$@" --server "$url" --pid "$server" || { stop && exit 1; }
	stop
}

{
	date -u +'%Y-%m-%d'
	git describe --always --dirty
	go version
	uname -sr
	sed -n 's/^model name.*: //p' /proc/cpuinfo | sort | uniq -c
	load idle --users 19000 --settle 60s --plot "$out/idle-plain"
	load idle --users 19000 --settle 60s --profile v1
	load oneway --users 100,1000,5000,19000 --duration "$duration" --rate 20000/s --plot "$out/oneway-plain"
	load oneway --users 100,1000,5000,19000 --duration "$duration" --rate 20000/s --profile v1
	load pairs --users 100,1000,5000,19000 --duration "$duration" --plot "$out/pairs-plain"
	load pairs --users 100,1000,5000,10000 --duration "$duration" --in-flight 16 --plot "$out/pairs-plain-16"
	load pairs --users 1000 --duration "$duration" --in-flight 16 --profile v1
	load oneway --users 1000 --duration "$duration"
	load connect --users 19000
	load churn --users 1000 --messages 50
	load churn --users 1000 --messages 50 --profile v1
	load offline --users 1016 --messages 900 --in-flight 64 --profile v1
} 2>&1 | tee "$out/enigma.txt"

.ci/need mosquitto
(cd bench/peers && go run . -rounds "${ROUNDS:-3}" -duration "$duration" -plots "$out" -json "$bin/peers.json") >"$out/peers.md"
cat "$out/peers.md"
