#!/bin/sh
# Runs every test. Installs what the tests want to talk to (when it may), and fails if any test was skipped.
#
#   tests/run.sh                 all of it
#   ALLOW_SKIPS=1 tests/run.sh   pass although a peer could not be had; what was skipped is listed at the end
set -eu
cd "$(dirname "$0")/.."

# Python's SMTP server, the reference library of webhook signatures, what chats and pagers publish about the shapes they
# take, and clients that send us logs; in an environment of their own.
modules="aiosmtpd, standardwebhooks, slack_sdk, cloudevents, opsgenie_sdk, pagerduty, elasticsearch, logging_loki, opentelemetry.exporter.otlp.json.http, opentelemetry.exporter.otlp.proto.http"
packages="aiosmtpd standardwebhooks slack_sdk cloudevents opsgenie-sdk pagerduty elasticsearch python-logging-loki opentelemetry-exporter-otlp-json-http opentelemetry-exporter-otlp-proto-http"
if ! target/venv/bin/python3 -c "import $modules" 2>/dev/null; then
    echo "== Python packages into target/venv"
    mkdir -p target
    if python3 -m venv target/venv; then
        # shellcheck disable=SC2086
        target/venv/bin/pip install --quiet --disable-pip-version-check $packages ||
            echo "pip could not install $packages"
    fi
fi

# Test databases of places and networks' owners, as Python's maxminddb ships them in its source.
if ! [ -f target/mmdb/test-data/GeoIP2-City-Test.mmdb ]; then
    echo "== test databases into target/mmdb"
    rm -rf target/mmdb && mkdir -p target/mmdb
    if target/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --dest target/mmdb maxminddb; then
        tar -xzf target/mmdb/maxminddb-*.tar.gz -C target/mmdb --strip-components=3 --wildcards '*/tests/data/*-data'
    else
        echo "pip could not fetch the source of maxminddb"
    fi
fi

# Debian packages: "program package".
missing=""
while read -r program package; do
    [ -n "$program" ] || continue
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<'LIST'
logrotate logrotate
systemd-analyze systemd
man man-db
dpkg-deb dpkg
curl curl
nginx nginx-light
rsyslogd rsyslog
journalctl systemd
prometheus-alertmanager prometheus-alertmanager
prometheus prometheus
promtool prometheus
postfix postfix
dovecot dovecot-core
chromium chromium
node nodejs
npm npm
LIST
if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    echo "== Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # Postfix is only started by its test, with a configuration of the test's own.
    echo "postfix postfix/main_mailer_type select No configuration" | $as_root debconf-set-selections 2>/dev/null || true
    # shellcheck disable=SC2086
    $as_root apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 ||
        { $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends $missing; } ||
        echo "could not install:$missing"
fi

# The same for Teams and Discord.
if ! [ -d target/npm/node_modules/adaptivecards ] || ! [ -d target/npm/node_modules/@discordjs/builders ]; then
    echo "== Node packages into target/npm"
    mkdir -p target/npm
    npm install --prefix target/npm --silent --no-audit --no-fund --ignore-scripts adaptivecards@3 @discordjs/builders@1 ||
        echo "npm could not install the Node packages"
fi

# What builds the Debian package.
if ! PATH="$PWD/target/tools/bin:$PATH" command -v cargo-deb >/dev/null 2>&1; then
    echo "== cargo-deb into target/tools"
    cargo install --quiet --locked --debug --root target/tools cargo-deb || echo "cargo could not install cargo-deb"
fi

echo "== cargo test"
log=target/test-output.log
status=0
# `cargo test` in a pipe would leave us the exit code of `tee`: it goes through a file.
rm -f target/test-status
{
    code=0
    cargo test --locked --no-fail-fast 2>&1 || code=$?
    echo "$code" >target/test-status
} | tee "$log"
[ "$(cat target/test-status)" = 0 ] || status=1

skipped=$(grep -E '^SKIP: ' "$log" || true)
if [ -n "$skipped" ]; then
    echo "== skipped:"
    echo "$skipped"
    [ -n "${ALLOW_SKIPS:-}" ] || status=1
fi
passed=$(sed -n 's/^test result: .* \([0-9][0-9]*\) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
failed=$(sed -n 's/^test result: .* \([0-9][0-9]*\) failed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
ignored=$(sed -n 's/^test result: .* \([0-9][0-9]*\) ignored.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
echo "== $passed passed, $failed failed, $ignored ignored, $(printf '%s' "$skipped" | grep -c . || true) skipped"
[ "$ignored" = 0 ] && [ "$failed" = 0 ] && [ "$passed" -gt 0 ] || status=1
exit $status
