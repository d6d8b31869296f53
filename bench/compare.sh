#!/bin/sh
# Compares the benchmarks of a revision with those of the working tree. Usage: bench/compare.sh REVISION
#
# The two are run in turn, COUNT times (6), so that a machine that gets slower in the meantime does so to both. BENCH
# selects benchmarks by a regular expression, PACKAGES where they are looked for.
set -eu
cd "$(dirname "$0")/.."

base=${1:?write the revision to compare with, such as main or HEAD~1}
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/base"; rm -rf "$dir"' EXIT
git worktree add --detach --quiet "$dir/base" "$base"

run() { # tree file
	(cd "$1" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -timeout 1h ${PACKAGES:-./...}) >>"$2"
}
i=0
while [ $i -lt "${COUNT:-6}" ]; do
	run "$dir/base" "$dir/old.txt"
	run . "$dir/new.txt"
	i=$((i + 1))
done
go tool benchstat "base=$dir/old.txt" "tree=$dir/new.txt"
