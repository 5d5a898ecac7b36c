#!/bin/bash
# The whole program beside its peers, on one road: a cached file, the program, a pipe that is drained.
#
#   benches/pipe.sh [MIB] [ROUNDS]      default 200 MiB, 5 rounds, the best of which counts
#
# Prints MB/s for 5 % and for 50 % dirty lines: a bare loop of 256 KiB reads and writes (dd), cat, logwarden on one
# thread and on two, ripgrep and sed with twelve patterns. Peers that are not installed are left out, and said so.
set -eu
cd "$(dirname "$0")/.."
mib=${1:-200}
rounds=${2:-5}

cargo build --release --locked --quiet
exe=$(cargo bench --locked --bench redact --no-run --message-format=json |
    sed -n 's/.*"name":"redact".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Twelve patterns such as people write by hand.
mapfile -t patterns <benches/patterns.txt
rg=(rg --no-config --passthru --no-filename --color never -r '[X]')
sed=(sed -E)
for p in "${patterns[@]}"; do
    rg+=(-e "$p")
    sed+=(-e "s#$p#[X]#g")
done

# MB/s of the best round of a command, which reads the corpus from standard input.
speed() {
    local best=0 from to now
    for _ in $(seq "$rounds"); do
        from=$(date +%s%N)
        "$@" <"$corpus" | cat >/dev/null
        to=$(date +%s%N)
        now=$(((bytes * 1000) / (to - from)))
        [ "$now" -le "$best" ] || best=$now
    done
    echo "$best"
}

show() { printf '%-44s %8s MB/s\n' "$1" "$2"; }

for dirty in 5 50; do
    corpus=$scratch/corpus
    "$exe" --corpus "$dirty" "$mib" >"$corpus"
    cat "$corpus" >/dev/null
    bytes=$(stat -c %s "$corpus")
    echo "== $dirty % dirty lines, $mib MiB, best of $rounds"
    show "dd, 256 KiB at a time" "$(speed dd bs=256K status=none)"
    show "cat" "$(speed cat)"
    show "logwarden, one thread" "$(speed target/release/logwarden --threads 1)"
    show "logwarden, two threads" "$(speed target/release/logwarden --threads 2)"
    if command -v rg >/dev/null; then show "ripgrep, 12 patterns" "$(speed "${rg[@]}" -)"; else echo "ripgrep is not installed"; fi
    show "sed, 12 patterns, C locale" "$(LC_ALL=C speed "${sed[@]}")"
done
