#!/bin/sh
# Builds packaging/Containerfile without any registry of images, and runs what comes out.
#
#   tests/container/run.sh            with the debug build, which is built if need be
#   tests/container/run.sh PROGRAM    with this program
#
# Needs root, and buildah, podman, crun and debootstrap (Debian packages). The two base images are stood in for by ones of
# the same name made here: the builder by Debian with a `cargo` that hands over PROGRAM, the distroless one by Debian's
# packages of which it consists (no shell, user `nonroot`). So what is not shown is the compilation in the builder, and
# the real base image. Not part of .ci/run.
set -eu
cd "$(dirname "$0")/../.."

for tool in buildah podman crun debootstrap dpkg-deb; do
    command -v "$tool" >/dev/null 2>&1 || { echo "tests/container/run.sh: $tool is not installed" >&2; exit 77; }
done
# crun wants one hierarchy of cgroups: where there are two, it gets a view of its own.
if [ -d /sys/fs/cgroup/unified ] && [ -z "${LOGWARDEN_CGROUPS:-}" ]; then
    export LOGWARDEN_CGROUPS=1
    exec unshare --mount sh -c 'umount --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"' \
        "$PWD/tests/container/run.sh" "$@"
fi
program=${1:-}
if [ -z "$program" ]; then
    cargo build --quiet --locked
    program=target/debug/logwarden
fi

# The two images that it is made from, in this order.
builder=$(awk '$1 == "FROM" { print $2; exit }' packaging/Containerfile)
runner=$(awk '$1 == "FROM" { last = $2 } END { print last }' packaging/Containerfile)

home=$PWD/target/container
rm -rf "$home/work"
mkdir -p "$home/work"
store="--storage-driver vfs --root $home/storage --runroot $home/run"
built() { # shellcheck disable=SC2086
    buildah $store "$@"
}

# image NAME DIR [OPTION..]: an image of a folder
image() {
    held=$(built from scratch) name=$1
    built copy --quiet "$held" "$2" / >/dev/null
    shift 2
    [ $# = 0 ] || built config "$@" "$held"
    built commit --quiet "$held" "$name" >/dev/null
    built rm "$held" >/dev/null
}

if ! [ -f "$home/bases.done" ]; then
    echo "== base images"
    rm -rf "$home/debian" "$home/distroless" "$home/debs"
    debootstrap --variant=minbase bookworm "$home/debian" >"$home/debootstrap.log" 2>&1
    mkdir -p "$home/distroless/etc" "$home/distroless/tmp" "$home/distroless/home/nonroot" "$home/debs"
    (cd "$home/debs" && apt-get download -q libc6 libgcc-s1 gcc-12-base ca-certificates tzdata base-files netbase >/dev/null 2>&1)
    for deb in "$home"/debs/*.deb; do
        dpkg-deb -x "$deb" "$home/distroless"
    done
    mkdir -p "$home/distroless/etc/ssl/certs"
    find "$home/distroless/usr/share/ca-certificates" -name '*.crt' -exec cat {} + >"$home/distroless/etc/ssl/certs/ca-certificates.crt"
    echo 'root:x:0:0:root:/root:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$home/distroless/etc/passwd"
    echo 'root:x:0:
nonroot:x:65532:' >"$home/distroless/etc/group"
    chmod 1777 "$home/distroless/tmp"
    chown 65532:65532 "$home/distroless/home/nonroot"
    image "$runner" "$home/distroless" --user 65532 --workingdir /home/nonroot
    touch "$home/bases.done"
fi
# Its compiler: what the Containerfile asks of it, and nothing else.
rm -rf "$home/builder"
cp -a "$home/debian" "$home/builder"
install -m 755 "$program" "$home/builder/usr/local/lib/logwarden-built"
strip "$home/builder/usr/local/lib/logwarden-built"
cat >"$home/builder/usr/local/bin/cargo" <<'CARGO'
#!/bin/sh
set -e
[ "$*" = "build --release --locked --bin logwarden" ]
[ -f Cargo.lock ] && [ -f src/main.rs ] && [ -d rules ]
mkdir -p target/release
cp /usr/local/lib/logwarden-built target/release/logwarden
CARGO
chmod 755 "$home/builder/usr/local/bin/cargo"
image "$builder" "$home/builder"
rm -rf "$home/builder"

echo "== packaging/Containerfile"
built bud --quiet --pull-never --isolation chroot --ignorefile packaging/Containerfile.dockerignore \
    -f packaging/Containerfile -t logwarden . >/dev/null

pod() { # shellcheck disable=SC2086
    podman $store --runtime crun --cgroup-manager cgroupfs "$@"
}
sealed="--rm --pull never --read-only --cap-drop all --security-opt no-new-privileges --cgroups disabled --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096"
ok() { echo "  ok: $*"; }
fail() { echo "does not hold: $*" >&2; exit 1; }

# shellcheck disable=SC2086
out=$(echo '{"msg":"hi","password":"hunter2hunter2"}' | pod run $sealed -i logwarden)
case "$out" in *hunter2*) fail "a pipe is clean: $out" ;; *'[PASSWORD]'*) ok "a pipe is redacted, with a read-only root and no rights" ;; *) fail "a pipe: $out" ;; esac
# shellcheck disable=SC2086
if pod run $sealed --entrypoint /bin/sh logwarden -c true 2>/dev/null; then fail "there is no shell"; else ok "there is no shell"; fi

mkdir -p "$home/work/logs"
cat >"$home/work/logwarden.toml" <<'TOML'
[sources.app]
type = "file"
paths = ["/logs/*.log"]
[sinks.clean]
type = "file"
path = "/state/app.log"
[http]
socket = "/state/http.sock"
TOML
echo '{"level":"info","password":"hunter2hunter2","email":"ada@shop.example.org"}' >"$home/work/logs/app.log"
chmod 644 "$home/work/logwarden.toml" "$home/work/logs/app.log"
pod volume rm --force logwarden-state >/dev/null 2>&1 || true
# shellcheck disable=SC2086
pod run $sealed --name logwarden-check -v "$home/work/logwarden.toml:/etc/logwarden/logwarden.toml:ro" -v "$home/work/logs:/logs:ro" \
    -v logwarden-state:/state logwarden run --config /etc/logwarden/logwarden.toml >"$home/work/log" 2>&1 &
running=$!
trap 'pod kill --signal KILL logwarden-check >/dev/null 2>&1 || true' EXIT
state=""
for _ in $(seq 150); do
    state=$(pod volume inspect --format '{{.Mountpoint}}' logwarden-state 2>/dev/null || true)
    [ -n "$state" ] && [ -s "$state/app.log" ] && break
    kill -0 $running 2>/dev/null || { cat "$home/work/log" >&2; fail "the service runs"; }
    sleep 0.2
done
grep -q 'PASSWORD' "$state/app.log" || { cat "$home/work/log" >&2; fail "the service redacts"; }
! grep -q 'hunter2\|ada@' "$state/app.log" || fail "the service redacts"
ok "a service follows a file, its state in a volume"
[ "$(stat -c %u:%a "$state/state.db")" = 65532:600 ] || fail "the volume belongs to nonroot: $(stat -c %u:%a "$state/state.db")"
ok "the volume is nonroot's"
for path in /healthz /readyz; do
    curl -sf --unix-socket "$state/http.sock" "http://localhost$path" >/dev/null || fail "$path"
done
ok "/healthz and /readyz answer"
pod exec logwarden-check /usr/bin/logwarden keys list --state /state >/dev/null || fail "a command beside it"
ok "commands work beside it"
pod stop --time 10 logwarden-check >/dev/null
status=0
wait $running || status=$?
[ "$status" = 0 ] || { cat "$home/work/log" >&2; fail "it ends well when it is stopped: $status"; }
ok "it ends well when it is stopped"
pod volume rm --force logwarden-state >/dev/null
