#!/usr/bin/env python3
"""The operators' window on a busy service: how fast it answers with many keys, and what it takes from the pipeline.

  benches/page.py [--keys N] [--mb N] [--rounds N] [--no-build]

A service learns 100,000 keys, some of which leak, and is then fed pieces of log as fast as it takes them: one file, so
one worker. Each round feeds one piece while nobody looks, one while a client asks at the pace of an open page, and one
while it asks much harder. Prints MB/s of each, processor seconds of the threads that are not the page's own, p50 and
p99 of every path of the API, and what Chromium says of the page: when it paints first, and when the table of keys has
rows.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

# 2026-05-01T12:00:00Z; the log's own clock, in milliseconds
START = 1_777_636_800_000
FILLER = "the quick brown fox jumps over the lazy dog and goes home " * 6
PORT = 18687
# requests a second, and connections
PACES = {"nobody looks": (0, 0), "a page": (4, 1), "hard": (80, 4)}


def access(n, keys, at, secret=""):
    """An access line of about 800 bytes as pino-http writes it."""
    key = n * 0x9E3779B1 % keys
    status = 500 if n % 50 == 0 else 200
    return (
        f'{{"level":30,"time":{at},"pid":4711,"hostname":"web-7","req":{{"id":"req-{n}","method":"POST",'
        f'"url":"/v1/chat/completions","query":{{}},"headers":{{"host":"api.example.com","user-agent":"openai-python/2.3"}},'
        f'"remoteAddress":"192.0.2.{n % 250}","remotePort":51234}},"res":{{"statusCode":{status},"headers":'
        f'{{"content-type":"application/json","x-note":"{FILLER}"}}}},"apiKeyId":"key{key}","responseTime":{n % 90}.5,'
        f'{secret}"msg":"request completed"}}\n'
    )


def seed(keys):
    """Three hours in which every key is used three times, and one in fifty stands in the log in clear."""
    for hour in range(3):
        for n in range(keys):
            at = START + hour * 3_600_000 + n * 3_600_000 // keys
            leak = f' password=hunter2 key=sk-proj-{n:08d}Zq3vT8yLmN4pR7sW2xK9cB5dF6gH1jQ0' if hour == 2 and n % 50 == 0 else ""
            yield (
                f'{{"time":{at},"apiKeyId":"key{n}","remoteAddress":"203.0.{n % 256}.{n // 256 % 256}",'
                f'"method":"GET","url":"/v1/items/{n % 7}","status":200,"msg":"done{leak}"}}\n'
            )


class Service:
    def __init__(self, exe, directory):
        self.exe, self.dir = exe, directory
        (directory / "logs").mkdir()
        (directory / "new").mkdir()
        config = directory / "service.toml"
        config.write_text(
            f'[sources.app]\ntype = "file"\npaths = ["{directory}/logs/*.log"]\n'
            f'[sinks.out]\ntype = "file"\npath = "{directory}/out"\n'
            f'[state]\ndir = "{directory}/state"\n'
            f'[http]\nlisten = "127.0.0.1:{PORT}"\n'
            f'[receivers.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:9/"\n'
        )
        self.log = open(directory / "log", "wb")
        self.process = subprocess.Popen([exe, "run", "--config", config], stderr=self.log)
        self.bytes = 0
        self.pieces = 0
        while not (directory / "out").exists():
            assert self.process.poll() is None, (directory / "log").read_text()[-2000:]
            time.sleep(0.01)

    def lines(self):
        return json.loads(fetch("/api/v1/status"))["now"]["lines"]

    def prepare(self, lines):
        """A piece of log that is not read yet, and how long it is when it has been written."""
        self.pieces += 1
        path = self.dir / "new" / f"app-{self.pieces}.log"
        with open(path, "w") as out:
            out.writelines(lines)
        done = subprocess.run([self.exe, path], stdout=subprocess.PIPE, check=True)
        return path, len(done.stdout)

    def feed(self, piece):
        """Seconds until a piece is written, and processor seconds: of the whole process, and without the page's threads."""
        path, size = piece
        read = path.stat().st_size
        self.bytes += size
        before, begin = self.cpu(), time.monotonic()
        path.rename(self.dir / "logs" / path.name)
        while (self.dir / "out").stat().st_size < self.bytes:
            assert self.process.poll() is None, (self.dir / "log").read_text()[-2000:]
            time.sleep(0.005)
        took = time.monotonic() - begin
        return read, took, tuple(now - then for now, then in zip(self.cpu(), before))

    def cpu(self):
        """Nanoseconds as the scheduler counts them do not depend on who else runs, but for what the caches lose."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        whole = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        pipeline = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                if (task / "comm").read_text().strip() != "page":
                    pipeline += int((task / "schedstat").read_text().split()[0]) / 1e9
            except OSError:
                # a thread that has ended meanwhile
                pass
        return whole, pipeline

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def fetch(path, connection=None):
    own = connection is None
    connection = connection or http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if own:
        connection.close()
    assert answer.status == 200, (path, answer.status, body[:200])
    return body


def paths():
    """What the page asks for, view by view."""
    keys = json.loads(fetch("/api/v1/keys?limit=50"))["keys"]
    alerts = json.loads(fetch("/api/v1/alerts?limit=50"))["alerts"]
    key, tag = keys[0]["key"], keys[0]["tag"]
    wanted = [
        ("status", "status"),
        ("redactions", "redactions"),
        ("alerts, firing", "alerts?status=firing&limit=10"),
        ("keys, used last", "keys?sort=-last_seen&limit=50&offset=0"),
        ("keys, most requests", "keys?sort=-requests&limit=50&offset=0"),
        ("keys, by name, page 1,000", "keys?sort=key&limit=50&offset=50000"),
        ("keys, searched", "keys?search=key777&sort=-hour&limit=50"),
        ("keys, with an alert", "keys?alerting=1&limit=50"),
        ("one key", f"keys/{key}"),
        ("alerts of a key", f"alerts?limit=20&key={tag}"),
        ("alerts", "alerts?limit=50&offset=0"),
        ("alerts, a later page", "alerts?limit=50&offset=1000"),
        ("silences", "silences"),
        ("sources", "sources"),
    ]
    if alerts:
        wanted.append(("one alert", f"alerts/{alerts[0]['id']}"))
    return [(name, "/api/v1/" + path) for name, path in wanted] + [("metrics", "/metrics")]


class Client:
    """Asks for one path after the other, so many times a second together, while it is open."""

    def __init__(self, wanted, each_second, connections, seen):
        self.open = True
        self.seen = seen
        self.threads = []
        if connections:
            self.threads.append(threading.Thread(target=self.listen))
        for n in range(connections):
            args = (wanted, connections / each_second, n)
            self.threads.append(threading.Thread(target=self.ask, args=args))
        for thread in self.threads:
            thread.start()

    def ask(self, wanted, pause, first):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        due, n = time.monotonic() + first * pause / 4, first * 4
        while self.open:
            time.sleep(max(0, due - time.monotonic()))
            due = max(due + pause, time.monotonic() - pause)
            name, path = wanted[n % len(wanted)]
            n += 1
            begin = time.perf_counter()
            fetch(path, connection)
            self.seen.setdefault(name, []).append((time.perf_counter() - begin) * 1000)
        connection.close()

    def listen(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        connection.request("GET", "/api/v1/events")
        stream = connection.getresponse()
        while self.open:
            stream.readline()
        connection.close()

    def close(self):
        self.open = False
        for thread in self.threads:
            thread.join()


class Chrome:
    """Chromium without a window, over two pipes in its own protocol."""

    def __init__(self, program, directory):
        down, up = os.pipe(), os.pipe()

        def hand_over():
            os.dup2(os.dup(down[0]), 3)
            os.dup2(os.dup(up[1]), 4)

        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={directory}"]
        # the ends move through numbers above 4 first, so that neither lands on the other
        keep = [os.dup(fd) for fd in (down[0], up[1])]
        for fd in keep:
            os.set_inheritable(fd, True)
        script = f'exec "$@" 3<&{keep[0]} 4>&{keep[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "chrome", program, *args, "about:blank"],
            pass_fds=keep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for fd in (down[0], up[1], *keep):
            os.close(fd)
        self.to, self.rest, self.up, self.next, self.session = down[1], b"", up[0], 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.setCacheDisabled", cacheDisabled=True)

    def call(self, method, **params):
        self.next += 1
        message = {"id": self.next, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                self.rest += os.read(self.up, 1 << 16)
            text, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.next:
                assert "error" not in answer, answer
                return answer["result"]

    def eval(self, expression):
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return got["result"].get("value")

    def paint(self, url):
        """Milliseconds from the start of the navigation to the first paint with content, and to the first rows."""
        self.call("Page.navigate", url="about:blank")
        watch = """new MutationObserver(() => {
            if (!window.rowsAt && document.querySelectorAll('tbody tr td a').length >= 50) {
                window.rowsAt = -1;
                requestAnimationFrame(() => setTimeout(() => { window.rowsAt = performance.now(); }, 0));
            }
        }).observe(document, {childList: true, subtree: true})"""
        script = self.call("Page.addScriptToEvaluateOnNewDocument", source=watch)
        self.call("Page.navigate", url=url)
        for _ in range(400):
            time.sleep(0.05)
            first = self.eval("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
            rows = self.eval("window.rowsAt > 0 ? window.rowsAt : null")
            if first and rows:
                break
        self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
        return first, rows

    def close(self):
        self.process.terminate()
        self.process.wait()


def share(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def painted(chrome, times):
    got = [chrome.paint(f"http://127.0.0.1:{PORT}/#keys") for _ in range(times)]
    firsts, rows = [f for f, _ in got], [r for _, r in got]
    return f"first paint {share(firsts, 0.5):.0f} ms (most {max(firsts):.0f}), rows of keys {share(rows, 0.5):.0f} ms (most {max(rows):.0f})"


def measure(args, directory):
    service = Service(str(pathlib.Path("target/release/logwarden").resolve()), directory)
    at = START + 3 * 3_600_000
    count = args.mb * 1_000_000 // 790

    def piece():
        nonlocal at
        begin, at = at, at + count * 2
        secret = '"authorization":"Bearer 52fa11c0ffee77aa90b1c2d3e4f5061728394a5b",'
        return service.prepare(access(n, args.keys, begin + n * 2, "" if n % 20 else secret) for n in range(count))

    try:
        service.feed(service.prepare(seed(args.keys)))
        time.sleep(3)
        status = json.loads(fetch("/api/v1/status"))
        alerts = json.loads(fetch("/api/v1/alerts?limit=1"))["matched"]
        print(f"{status['keys']['tracked']} keys, {alerts} alerts", flush=True)
        wanted, seen, speed = paths(), {}, {}
        # the first piece warms everything up
        service.feed(piece())
        for _ in range(args.rounds):
            for pace, (each_second, connections) in PACES.items():
                ready = piece()
                client = Client(wanted, each_second, connections, seen.setdefault(pace, {}))
                if connections:
                    time.sleep(2)
                read, took, cpu = service.feed(ready)
                client.close()
                speed.setdefault(pace, []).append((read / took / 1e6, *cpu))
                time.sleep(3)
        usual, _, quiet = zip(*speed["nobody looks"])
        for pace, got in speed.items():
            speeds, whole, pipeline = zip(*got)
            # the pieces of one round lie side by side
            ratio = share([busy / calm for busy, calm in zip(pipeline, quiet)], 0.5)
            print(
                f"{pace:14} {share(speeds, 0.5):6.1f} MB/s ({(share(speeds, 0.5) / share(usual, 0.5) - 1) * 100:+.1f} %),"
                f" {min(speeds):.1f} to {max(speeds):.1f}; processor s a piece: {share(whole, 0.5):.2f}, of the pipeline's"
                f" threads {share(pipeline, 0.5):.2f} ({(ratio - 1) * 100:+.1f} % in pairs)"
            )
        for pace, by_path in seen.items():
            everything = [t for times in by_path.values() for t in times]
            if not everything:
                continue
            print(f"\n{pace}: {len(everything)} requests, p50 {share(everything, 0.5):.1f} ms, p99 {share(everything, 0.99):.1f} ms, most {max(everything):.1f} ms")
            for name, times in by_path.items():
                print(f"  {name:28} p50 {share(times, 0.5):6.1f}  p99 {share(times, 0.99):6.1f}  most {max(times):6.1f} ms  ({len(times)})")
        if chromium := shutil.which("chromium"):
            chrome = Chrome(chromium, directory / "profile")
            print(f"\nthe page, quiet pipeline: {painted(chrome, 9)}")
            pieces = [piece() for _ in range(3)]
            busy = threading.Thread(target=lambda: [service.feed(p) for p in pieces])
            busy.start()
            result = painted(chrome, 5)
            during = busy.is_alive()
            busy.join()
            print(f"the page, full speed{'' if during else ' (in part)'}: {result}")
            chrome.close()
        else:
            print("chromium is not installed: the page was not looked at")
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--mb", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-build", action="store_true")
    args = parser.parse_args()
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    if not args.no_build:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], check=True)
    with tempfile.TemporaryDirectory() as directory:
        measure(args, pathlib.Path(directory))


if __name__ == "__main__":
    sys.exit(main())
