"""What an operator does to the installed package, under a real systemd. Run by run.sh inside of the booted system.

Each check says what it looked at; the first that does not hold ends the run with the journal of the services.
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

DEB = "/boot-test/logwarden.deb"
CONFIG = Path("/etc/logwarden/logwarden.toml")
LOG = Path("/var/log/app/app.log")
CLEAN = Path("/var/log/logwarden/app.log")
ENTRIES = Path("/var/log/logwarden/journal.log")
STATE = Path("/var/lib/logwarden")
KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
WHOLE = "logwarden"
CORE, NOTIFIER = "logwarden-core", "logwarden-notifier"


def run(*args, check=True):
    ran = subprocess.run(args, capture_output=True, text=True, timeout=180)
    if check and ran.returncode != 0:
        raise AssertionError(f"{' '.join(args)}: {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran


def systemctl(*args, check=True):
    return run("systemctl", *args, check=check)


def show(unit, name):
    return systemctl("show", "--property", name, "--value", unit).stdout.strip()


def pid(unit):
    return int(show(unit, "MainPID"))


def until(what, probe, seconds=30):
    """The first true answer of `probe`."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.05)


def holds(what, is_so, *about):
    assert is_so, f"does not hold: {what} {about}"
    print(f"  ok: {what}", flush=True)


class Hooks:
    """A receiver of webhooks on loopback, which believes nothing unsigned."""

    def __init__(self):
        self.seen, self.refused = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                signed = ".".join((self.headers["webhook-id"], self.headers["webhook-timestamp"], "")).encode() + body
                wanted = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
                right = wanted in self.headers["webhook-signature"].split(" ")
                (outer.seen if right else outer.refused).append(json.loads(body))
                self.send_response(204 if right else 401)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 9099), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def alerts(self, kind):
        return [alert for alert in self.seen if alert.get("kind") == kind]


def write_config(extra=""):
    CONFIG.write_text(
        f"""
[sources]
app = {{ type = "file", paths = ["/var/log/app/*.log"] }}
journal = {{ type = "journald", matches = ["SYSLOG_IDENTIFIER=shop"] }}

[sinks]
clean = {{ type = "file", path = "{CLEAN}", sources = ["app"] }}
entries = {{ type = "file", path = "{ENTRIES}", sources = ["journal"] }}

[receivers.ops]
type = "webhook"
url = "http://127.0.0.1:9099/"
secret = "${{cred:hook}}"

[audit]

[http]
{extra}"""
    )


def append(text):
    with LOG.open("a") as log:
        log.write(text)


def a_key(tail):
    """A key as OpenAI makes them, different for each tail, and valid nowhere."""
    return "sk-proj-" + "EXAMPLE7kEy" + "T3Blbk" + "FJ" + (tail * 20)[:20]


def leak(tail):
    key = a_key(tail)
    append(json.dumps({"level": "error", "msg": f"call failed with {key}"}) + "\n")
    return key


def text_of(path):
    return path.read_text() if path.exists() else ""


def http_get(path):
    """Status and text of the face over TCP."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:8687{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(STATE / "http.sock"))


def socket_get(path):
    """The same over the Unix socket."""
    connection = UnixConnection("localhost")
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def metric(get, name):
    text = get("/metrics")[1]
    return [line for line in text.splitlines() if line.startswith(name)]


def sandbox(unit):
    """What the kernel says of the process."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid(unit)}/status").read_text().splitlines() if ":\t" in line)
    uid = int(status["Uid"].split()[0])
    holds(f"{unit} runs as a user made up for it ({uid})", 61184 <= uid <= 65519)
    holds(f"{unit} has no capability", int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0, status)
    holds(f"{unit} has its system calls filtered and gains no rights", status["Seccomp"] == "2" and status["NoNewPrivs"] == "1")


def sees(unit, path):
    """Whether the service itself could open a path: as its user, in its mounts."""
    process = pid(unit)
    uid = Path(f"/proc/{process}").stat().st_uid
    groups = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("Groups:"))
    ran = subprocess.run(
        ["nsenter", "--mount", "--target", str(process), "setpriv", f"--reuid={uid}", f"--regid={uid}",
         "--groups=" + ",".join(groups.split()[1:]), "test", "-r", path], capture_output=True, text=True)
    assert ran.returncode in (0, 1) and not ran.stderr, ran.stderr
    return ran.returncode == 0


def exposure(unit, limit):
    text = run("systemd-analyze", "security", "--no-pager", f"{unit}.service", check=False).stdout
    level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text).group(1))
    holds(f"{unit} is exposed {level} (wanted: under {limit})", level < limit)


def installs():
    print("the package")
    run("dpkg", "--install", DEB)
    holds("it installs with what its base system has", True)
    units = systemctl("list-unit-files", "logwarden*").stdout
    holds("nothing is enabled or started", units.count("disabled") >= 3 and pid(WHOLE) == 0, units)
    run("logwarden", "check", "--config", str(CONFIG))
    holds("the configuration that it brings passes", True)


def prepares():
    LOG.parent.mkdir(parents=True)
    LOG.parent.chmod(0o750)
    LOG.touch()
    LOG.chmod(0o640)
    run("chgrp", "adm", str(LOG.parent), str(LOG))
    secret = Path("/etc/logwarden/hook.secret")
    secret.write_text(SECRET)
    secret.chmod(0o600)
    for unit in (WHOLE, CORE, NOTIFIER):
        drop = Path(f"/etc/systemd/system/{unit}.service.d/local.conf")
        drop.parent.mkdir()
        lines = "[Service]\n"
        if unit != CORE:
            lines += f"LoadCredential=hook:{secret}\n"
        if unit != NOTIFIER:
            lines += "SupplementaryGroups=systemd-journal\n"
        drop.write_text(lines)
    write_config()
    systemctl("daemon-reload")


def works(reader, sender, get, hooks, tail):
    """From a line to a clean line and an alert."""
    key = leak(tail)
    until("the clean line", lambda: "call failed" in text_of(CLEAN) and text_of(CLEAN).count("\n") == text_of(LOG).count("\n"))
    holds("a line comes out clean", key not in text_of(CLEAN), text_of(CLEAN)[-300:])
    subprocess.run(["systemd-cat", "--identifier=shop"], input=f"order {tail} with {key}\n".encode(), check=True)
    until("the journal's entry", lambda: f"order {tail} with" in text_of(ENTRIES))
    holds("so does an entry of the journal", key not in text_of(ENTRIES), text_of(ENTRIES)[-300:])
    until("the alert", lambda: len(hooks.alerts("secret_leaked")) >= 1)
    alert = hooks.alerts("secret_leaked")[-1]
    holds("an alert arrives, signed with the credential's secret", not hooks.refused, hooks.refused)
    holds("the alert holds no secret", key not in json.dumps(alert))
    until("it is well", lambda: get("/readyz")[0] == 200)
    holds("/healthz, /readyz and the page answer", [get(path)[0] for path in ("/healthz", "/readyz", "/")] == [200] * 3)
    lines = metric(get, 'logwarden_lines_total{source="app"}')
    holds("/metrics counts", lines and float(lines[0].split()[1]) >= 1, lines)
    links = [os.readlink(link) for link in Path(f"/proc/{pid(reader)}/fd").iterdir()]
    holds("the kernel tells it about files", any("inotify" in link for link in links), links)
    holds("its state is its own", STATE.resolve() == Path("/var/lib/private/logwarden") and (STATE / "state.db").stat().st_mode & 0o777 == 0o600)
    holds("it takes the logs' group", not sees(reader, "/etc/shadow") and sees(reader, str(LOG)))
    hooks.seen.clear()
    listed = run("logwarden", "alerts", "list", "--state", str(STATE)).stdout
    holds("alerts are in the state", "secret" in listed, listed)
    # its key is made with its first records, within a second of the first start
    until("the audit log", lambda: run("logwarden", "audit", "verify", "--state", str(STATE), check=False).returncode == 0)
    holds("the audit log is whole", True)
    for unit in {reader, sender}:
        sandbox(unit)


def reloads(unit, get, others=()):
    before = pid(unit)
    write_config('\n[redact]\nstrategies = { EMAIL = "drop" }\n')
    systemctl("reload", unit)
    append('{"level":"info","msg":"reloaded","mail":"ada@shop.example.org"}\n')
    until("a line", lambda: '"msg":"reloaded"' in text_of(CLEAN))
    last = [line for line in text_of(CLEAN).splitlines() if '"msg":"reloaded"' in line][-1]
    holds("systemctl reload takes a new configuration when it returns", "[EMAIL" not in last and "ada" not in last and pid(unit) == before, last)
    good = CONFIG.read_text()
    CONFIG.write_text(good + "\n[sorces.x]\n")
    ran = systemctl("reload", unit, check=False)
    holds("with a broken one it fails", ran.returncode != 0)
    until("the metric", lambda: metric(get, "logwarden_config_last_reload_successful")[0].endswith(" 0"))
    holds("the metric says so", True)
    status = until("the status", lambda: show(unit, "StatusText"))
    holds("systemctl status says why", "sorces" in status, status)
    log = run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout
    holds("the log says where", "sorces" in log and "stays as it was" in log, log[-2000:])
    until("the record", lambda: "config.refused" in run("logwarden", "audit", "export", "--state", str(STATE)).stdout)
    holds("the audit log too", True)
    append('{"level":"info","msg":"still here","mail":"ada@shop.example.org"}\n')
    until("a line", lambda: '"msg":"still here"' in text_of(CLEAN))
    holds("and the one before goes on", pid(unit) == before and show(unit, "ActiveState") == "active")
    write_config()
    systemctl("reload", unit, *others)
    holds("a good one is taken again", metric(get, "logwarden_config_last_reload_successful")[0].endswith(" 1"))
    until("no status any more", lambda: "refused" not in show(unit, "StatusText"))
    holds("and the status is forgotten", True)


def restarts(unit):
    """Lines written all through three restarts."""
    stop = threading.Event()
    written = []

    def write():
        number = 0
        while not stop.is_set():
            append(f"number {number} of restarts of {unit}\n")
            number += 1
            time.sleep(0.002)
        written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        systemctl("restart", unit)
        time.sleep(0.3)
    stop.set()
    writer.join()
    wanted = [str(number) for number in range(written[0])]
    pattern = re.compile(rf"number (\d+) of restarts of {unit}\n")
    until("the last line", lambda: pattern.findall(text_of(CLEAN))[-1:] == wanted[-1:])
    holds(f"three restarts lose and double nothing of {len(wanted)} lines", pattern.findall(text_of(CLEAN)) == wanted)


def is_watched(unit):
    """A process that is stopped is replaced, after half a minute."""
    process, restarts = pid(unit), int(show(unit, "NRestarts"))
    os.kill(process, signal.SIGSTOP)
    line = f"written while {unit} is stopped\n"
    append(line)
    until("a restart", lambda: int(show(unit, "NRestarts")) > restarts and show(unit, "ActiveState") == "active", 90)
    log = run("journalctl", "--no-pager", "--output=cat", f"UNIT={unit}.service").stdout
    holds(f"the watchdog replaces {unit} when it is stopped", pid(unit) != process and "Watchdog timeout" in log, log)
    until("the line", lambda: line in text_of(CLEAN))
    holds("nothing is lost", text_of(CLEAN).count(line) == 1)


def is_killed(unit):
    before = pid(unit)
    os.kill(before, signal.SIGKILL)
    until("a restart", lambda: pid(unit) not in (0, before) and show(unit, "ActiveState") == "active")
    append("written after the kill\n")
    until("the line", lambda: "written after the kill" in text_of(CLEAN))
    holds(f"{unit} comes again after kill -9, and goes on", True)


def refuses_a_broken_start(unit):
    good = CONFIG.read_text()
    systemctl("stop", unit)
    CONFIG.write_text("[sorces.x]\n")
    ran = systemctl("start", unit, check=False)
    time.sleep(2.5)
    holds("a broken configuration is no start, and not tried again", ran.returncode != 0 and show(unit, "ActiveState") == "failed",
          show(unit, "ActiveState"))
    CONFIG.write_text(good)
    systemctl("reset-failed", unit)
    systemctl("start", unit)


def whole(hooks):
    print("the single unit")
    systemctl("enable", "--now", WHOLE)
    holds("it is ready when systemctl returns", http_get("/readyz")[0] == 200 and show(WHOLE, "Type") == "notify")
    works(WHOLE, WHOLE, http_get, hooks, "A1b2C3d4E5")
    exposure(WHOLE, 1.5)
    reloads(WHOLE, http_get)
    restarts(WHOLE)
    is_watched(WHOLE)
    is_killed(WHOLE)
    refuses_a_broken_start(WHOLE)


def split(hooks):
    print("the split service")
    systemctl("disable", "--now", WHOLE)
    systemctl("enable", "--now", CORE, NOTIFIER)
    holds("both are ready", socket_get("/readyz")[0] == 200 and show(NOTIFIER, "ActiveState") == "active")
    listed = run("logwarden", "alerts", "list", "--state", str(STATE)).stdout
    holds("what the single unit knew is there", "secret" in listed, listed)
    works(CORE, NOTIFIER, socket_get, hooks, "Z9y8X7w6V5")
    nets = [os.readlink(f"/proc/{process}/ns/net") for process in (1, pid(CORE), pid(NOTIFIER))]
    holds("the core has no network, the notifier has", nets[0] != nets[1] and nets[0] == nets[2], nets)
    devices = Path(f"/proc/{pid(CORE)}/net/dev").read_text().splitlines()[2:]
    holds("nothing but a loopback of its own", all(line.strip().startswith("lo:") for line in devices), devices)
    hidden = [str(LOG), str(CLEAN), "/var/lib/private/logwarden/pseudonym.key", "/var/lib/private/logwarden/audit"]
    holds("the notifier sees neither logs nor secrets", not any(sees(NOTIFIER, path) for path in hidden))
    holds("the core sees the same paths, so the look is one", all(sees(CORE, path) for path in hidden))
    exposure(CORE, 0.5)
    exposure(NOTIFIER, 1.5)
    reloads(CORE, socket_get, (NOTIFIER,))
    restarts(CORE)
    until("the notifier goes with it", lambda: show(NOTIFIER, "ActiveState") == "active")
    is_watched(NOTIFIER)
    is_watched(CORE)
    # which takes the notifier along
    until("the notifier", lambda: show(NOTIFIER, "ActiveState") == "active")
    is_killed(CORE)
    systemctl("stop", NOTIFIER)
    waiting = len(hooks.seen)
    leak("waits for it ")
    time.sleep(1)
    holds("no notifier, no message", len(hooks.seen) == waiting)
    systemctl("start", NOTIFIER)
    until("the message that waited", lambda: len(hooks.seen) > waiting)
    holds("a message waits for the notifier", not hooks.refused)


def leaves():
    print("upgrade, removal, purge")
    systemctl("disable", "--now", NOTIFIER, CORE)
    systemctl("enable", "--now", WHOLE)
    before = pid(WHOLE)
    run("dpkg", "--install", DEB)
    until("the restart", lambda: pid(WHOLE) not in (0, before) and show(WHOLE, "ActiveState") == "active")
    holds("an upgrade restarts what ran, with the configuration as it was", "9099" in CONFIG.read_text())
    run("dpkg", "--remove", "logwarden")
    holds("removal stops it and leaves state and clean logs", not Path("/usr/bin/logwarden").exists()
          and not subprocess.run(["pgrep", "-x", "logwarden"], capture_output=True).stdout
          and Path("/var/lib/private/logwarden/state.db").exists() and Path("/var/log/private/logwarden/app.log").exists())
    run("dpkg", "--purge", "logwarden")
    left = [path for path in ("/var/lib/logwarden", "/var/lib/private/logwarden", "/var/log/logwarden",
                              "/var/log/private/logwarden", str(CONFIG)) if os.path.lexists(path)]
    holds("purge takes all of it", not left, left)
    holds("the logs are not ours to take", LOG.exists())
    left = list(Path("/usr/lib/systemd/system").glob("logwarden*"))
    holds("no unit is left", not left, left)


def main():
    started = time.monotonic()
    print(run("systemctl", "--version").stdout.splitlines()[0], "on Linux", os.uname().release)
    hooks = Hooks()
    try:
        installs()
        prepares()
        whole(hooks)
        split(hooks)
        leaves()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print(run("journalctl", "--no-pager", "--lines=80", check=False).stdout)
        return 1
    print(f"all of it in {time.monotonic() - started:.0f} s")
    return 0


sys.exit(main())
