#!/bin/sh
# Boots Debian 12 with the package in it under a real systemd, and looks at the units from the inside (inside.py).
#
#   tests/boot/run.sh                of the debug build, which is built if need be
#   tests/boot/run.sh PACKAGE.deb    of this package
#
# Needs root: systemd-nspawn makes namespaces and cgroups. What is missing is installed with apt-get; cargo-deb is
# looked for in target/tools as tests/run.sh leaves it. The root file system is made once (debootstrap, about a minute,
# 300 MB under target/boot) and copied for each run. No network: the container has a loopback of its own.
#
# Ends with 77 where no system can be made or booted, which says nothing about the units.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD

cannot() {
    echo "tests/boot/run.sh: $*" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || cannot "needs root"
missing=""
while read -r program package; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<'LIST'
debootstrap debootstrap
systemd-nspawn systemd-container
LIST
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; } ||
        cannot "cannot install$missing"
fi

deb=${1:-}
if [ -z "$deb" ]; then
    cargo build --quiet --locked
    # the path is the last line
    deb=$(PATH="$root/target/tools/bin:$PATH" packaging/package.sh --built debug | tail -n 1)
fi

boot=$root/target/boot
mkdir -p "$boot"
# One at a time, also from several checkouts: the machine has one name and one cgroup.
exec 9>/tmp/logwarden-boot.lock
flock 9

if ! [ -f "$boot/base.done" ]; then
    echo "== Debian 12 into target/boot/base"
    rm -rf "$boot/base"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,python3,procps,util-linux \
        bookworm "$boot/base" >"$boot/debootstrap.log" 2>&1 || {
            tail -n 20 "$boot/debootstrap.log" >&2
            cannot "cannot make a root file system"
        }
    rm -f "$boot"/base/var/cache/apt/archives/*.deb
    touch "$boot/base.done"
fi

rm -rf "$boot/root"
cp -a --reflink=auto "$boot/base" "$boot/root"
mkdir -p "$boot/root/boot-test"
cp "$deb" "$boot/root/boot-test/logwarden.deb"
cp tests/boot/inside.py "$boot/root/boot-test/"
cat >"$boot/root/etc/systemd/system/boot-test.service" <<'UNIT'
[Unit]
Description=Look at Logwarden's units
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'python3 -u /boot-test/inside.py >/boot-test/log 2>&1; echo $? >/boot-test/status'
TimeoutStartSec=600
UNIT
mkdir -p "$boot/root/etc/systemd/system/graphical.target.wants"
ln -s ../boot-test.service "$boot/root/etc/systemd/system/graphical.target.wants/"

# A cgroup of its own: without one the container would sort its services into that of the whole machine.
name=logwarden-boot
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -f "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$name" && echo $$ >"$hierarchy/$name/cgroup.procs" || cannot "cannot make a cgroup"
done

echo "== booting"
status=0
# It ends by itself; a pseudo-terminal, since a console in a pipe is not waited for.
timeout --kill-after=10 600 systemd-nspawn --quiet --directory="$boot/root" --machine="$name" --register=no --keep-unit \
    --private-network --resolv-conf=off --timezone=off --boot --console=read-only >"$boot/console.log" 2>&1 || status=$?
if ! [ -f "$boot/root/boot-test/log" ]; then
    tail -n 40 "$boot/console.log" >&2
    cannot "the container did not boot (systemd-nspawn ended with $status)"
fi
cat "$boot/root/boot-test/log"
if ! [ -f "$boot/root/boot-test/status" ] || [ "$(cat "$boot/root/boot-test/status")" != 0 ]; then
    echo "== the console (nspawn ended with $status)"
    tail -n 40 "$boot/console.log"
    exit 1
fi
rm -rf "$boot/root"
