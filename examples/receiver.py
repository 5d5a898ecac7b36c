#!/usr/bin/env python3
"""A mail server and a webhook receiver to try logwarden with: prints what arrives. Python's standard library only.

    python3 examples/receiver.py [SMTP_PORT [HTTP_PORT]]      default: 2525 8025

Webhook signatures are checked the way a real receiver should (https://www.standardwebhooks.com).
"""
import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import socketserver
import sys
import threading
import time

SECRET = "whsec_bG9nd2FyZGVuIGRlbW8gc2VjcmV0LCBub3QgYSByZWFsIG9uZQ=="  # as in examples/demo.toml


LOCK = threading.Lock()


def tell(*lines):
    with LOCK:
        print(*lines, "", sep="\n", flush=True)


class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 demo ESMTP")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            if word == b"DATA":
                self.say("354 go on")
                self.mail()
            elif word == b"QUIT":
                return self.say("221 bye")
            self.say("250 ok")

    def mail(self):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        text = message.get_body(("plain",)).get_content()
        tell(f"MAIL  to {message['To']}", f"      {message['Subject']}", *("      " + l for l in text.splitlines()))

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        alert = json.loads(body)
        good = "signature good" if self.signed(body) else "SIGNATURE BAD"
        tell(f"HOOK  {self.headers['webhook-id']} ({good})", f"      {alert['status']}: {alert['summary']}")
        self.send_response(204)
        self.end_headers()

    def signed(self, body):
        stamp = self.headers.get("webhook-timestamp", "0")
        if abs(time.time() - int(stamp)) > 300:
            return False
        what = b".".join([self.headers["webhook-id"].encode(), stamp.encode(), body])
        want = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), what, hashlib.sha256).digest()
        given = self.headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest("v1," + base64.b64encode(want).decode(), one) for one in given)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ports = [int(arg) for arg in sys.argv[1:]] + [2525, 8025][len(sys.argv) - 1 :]
    socketserver.TCPServer.allow_reuse_address = True
    servers = [
        socketserver.ThreadingTCPServer(("127.0.0.1", ports[0]), Smtp),
        http.server.ThreadingHTTPServer(("127.0.0.1", ports[1]), Hook),
    ]
    tell("listening for mail on 127.0.0.1:%d and for webhooks on 127.0.0.1:%d" % tuple(s.server_address[1] for s in servers))
    for server in servers:
        server.daemon_threads = True
    threading.Thread(target=servers[0].serve_forever, daemon=True).start()
    try:
        servers[1].serve_forever()
    except KeyboardInterrupt:
        pass
