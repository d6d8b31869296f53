#!/usr/bin/env bash
# Makes enigma.pgo, the profile by which `make build` and `make release` let the compiler arrange the server's code: what
# it spends its time on under five kinds of load, a few seconds each. Make it anew when the way of a message has changed
# much; an old one does no harm. Usage: bench/profile.sh
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
go build -pgo off -o "$dir/enigma" ./cmd/enigma

# profile NAME SETTINGS: four seconds of a server under `enigma load SETTINGS`, from the third on.
profile() {
	rm -rf "$dir/data"
	"$dir/enigma" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --store "$dir/data" >"$dir/out" 2>"$dir/log" &
	server=$!
	until grep -q '/metrics' "$dir/out"; do sleep 0.1; done
	admin=$(sed -n 's|^  curl \(.*\)/metrics$|\1|p' "$dir/out")
	(sleep 2 && curl -sSf "$admin/debug/pprof/profile?seconds=4" -o "$dir/$1.pprof") &
	"$dir/enigma" load "${@:2}" --server "$(sed -n 's/^listening on //p' "$dir/out")" --pid "$server" | sed -n 's/^/  /p'
	wait $!
	kill "$server" && wait "$server" || true
	server=
}
profile pairs pairs --duration 6s
profile flights pairs --in-flight 16 --duration 6s
profile oneway oneway --rate 40000/s --duration 6s
profile v1 pairs --in-flight 4 --profile v1 --duration 6s
profile churn churn --messages 120
go tool pprof -proto -output bench/enigma.pgo "$dir"/*.pprof
