#!/bin/sh
# Instructions for each byte of the mixed corpus (5 % dirty lines) in steady state, by callgrind: the same on every
# machine and under every load, so that a change for the worse is seen when it is made.
#
#   benches/instructions.sh     fails when a path needs more than its budget in benches/instructions.txt
#
# The cost of a pass is the difference between three passes and one, so that start-up does not count. callgrind knows
# no AVX-512: the fast path that is counted is the one for AVX2.
set -eu
cd "$(dirname "$0")/.."

exe=$(cargo bench --locked --bench redact --no-run --message-format=json |
    sed -n 's/.*"name":"redact".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$exe" ] || { echo "the bench was not built" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

count() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$exe" --passes "$2" "$1" \
        2>"$scratch/log" >"$scratch/bytes"
    sed -n 's/.*Collected : //p' "$scratch/log"
}

worse=0
while read -r path budget; do
    case $path in ''|'#'*) continue ;; esac
    one=$(count "$path" 1)
    three=$(count "$path" 3)
    each=$(awk -v a="$one" -v b="$three" -v n="$(cat "$scratch/bytes")" 'BEGIN { printf "%.1f", (b - a) / 2 / n }')
    echo "$path: $each instructions a byte, budget $budget"
    if awk -v a="$each" -v b="$budget" 'BEGIN { exit !(a > b) }'; then worse=1; fi
done <benches/instructions.txt
[ "$worse" = 0 ] || { echo "over budget: make it cheaper, or say in the change why it must cost more" >&2; exit 1; }
