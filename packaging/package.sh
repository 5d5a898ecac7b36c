#!/bin/sh
# Puts everything that a package holds beside the program into target/package, and builds the Debian package.
#
#   packaging/package.sh                release build and package; the path of the package is printed last
#   packaging/package.sh --built DIR    of the program in target/DIR (debug or release), which is there already
#
# Needs cargo-deb: cargo install --locked cargo-deb
set -eu
cd "$(dirname "$0")/.."

built=release
if [ "${1:-}" = --built ]; then
    built=$2
else
    cargo build --release --locked
fi
program=target/$built/logwarden

out=target/package
rm -rf "$out"
mkdir -p "$out/units" "$out/completions"
"$program" man "$out/man"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$out/completions/logwarden.$shell"
done
for unit in packaging/*.service.in; do
    name=$(basename "$unit" .in)
    sed -e 's|@PROGRAM@|/usr/bin/logwarden|g' -e 's|@CONFIG@|/etc/logwarden/logwarden.toml|g' \
        -e "s|^# Logwarden as one process. .*fills in the two paths. The split|# Logwarden as one process. The split|" \
        "$unit" >"$out/units/$name"
done
"$program" config reference >"$out/reference.toml"
"$program" config schema >"$out/schema.json"

install -m 755 "$program" "$out/logwarden"
fast=""
if [ "$built" != release ]; then
    # only to look at
    strip "$out/logwarden"
    fast=--fast
fi
# shellcheck disable=SC2086
cargo deb --no-build --no-strip --locked $fast --output "$out/"
