#!/bin/sh
# The whole program on one file of access lines, three ways: through the pipe (without and with detectors), followed by
# the service into a file with a commit every 50 ms, and replayed. Prints seconds by the clock and processor seconds;
# the ways are taken in turns.
#
#   benches/watch.sh [MB] [ROUNDS]     150 MB and 3 rounds when nothing is said
set -eu
cd "$(dirname "$0")/.."

mb=${1:-150}
rounds=${2:-3}
[ -n "${NO_BUILD:-}" ] || cargo build --release --locked --quiet
exe=$PWD/target/release/logwarden
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# 500 keys, a request every three seconds, one line in twenty with a credential.
awk -v size="$((mb * 1000000))" 'BEGIN {
    note = "the quick brown fox jumps over the lazy dog and goes home "
    note = note note note note note note
    for (i = 1; bytes < size; i++) {
        k = (i * 7919) % 500
        auth = i % 20 ? "" : "\"authorization\":\"Bearer 52fa11c0ffee77aa90b1c2d3e4f5061728394a5b\","
        line = sprintf("{\"level\":30,\"time\":%.0f,\"pid\":4711,\"hostname\":\"web-7\",\"req\":{\"id\":\"req-%d\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"query\":{},\"headers\":{\"host\":\"api.example.com\",\"user-agent\":\"openai-python/2.3\"},\"remoteAddress\":\"192.0.2.%d\",\"remotePort\":51234},\"res\":{\"statusCode\":%d,\"headers\":{\"content-type\":\"application/json\",\"x-note\":\"%s\"}},\"apiKeyId\":\"key%d\",\"responseTime\":%d.5,%s\"msg\":\"request completed\"}",
            1777636800000 + i * 3000, i, k % 250, i % 50 ? 200 : 500, note, k, i % 90, auth)
        print line
        bytes += length(line) + 1
    }
}' >app.log
cat >service.toml <<CONFIG
[sources.app]
type = "file"
paths = ["$dir/app.log"]
[sinks.out]
type = "file"
path = "$dir/followed.out"
[state]
dir = "$dir/state"
CONFIG
"$exe" app.log >plain.out
want=$(stat -c %s plain.out)

# Runs a command and prints its name, seconds by the clock, and processor seconds.
timed() {
    name=$1
    shift
    /usr/bin/time -o times -f '%e %U %S' "$@"
    awk -v name="$name" '{ printf "%-22s %6.2f s  %6.2f processor s\n", name, $1, $2 + $3 }' times
}

follow() {
    rm -rf state followed.out
    "$exe" run --config service.toml 2>log &
    service=$!
    while [ "$(stat -c %s followed.out 2>/dev/null || echo 0)" -lt "$want" ]; do sleep 0.01; done
    kill "$service"
    wait "$service"
}
export exe want

for _ in $(seq "$rounds"); do
    timed "pipe" sh -c '"$exe" <app.log >pipe.out'
    timed "pipe with detectors" sh -c '"$exe" --config service.toml <app.log >pipe.out 2>log'
    begin=$(date +%s.%N)
    follow
    end=$(date +%s.%N)
    awk -v a="$begin" -v b="$end" 'BEGIN { printf "%-22s %6.2f s  (with the end of the service)\n", "followed", b - a }'
    timed "replay" "$exe" replay app.log >replay.out
    tail -1 replay.out
done
