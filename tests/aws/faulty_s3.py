"""S3 on a bad day: a proxy in front of the local one. Every fifth call fails, each time in a different way, and every second
conditional write conflicts with another in progress."""

import http.client
import itertools
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Source: the S3 user guide, "Error responses" and "Conditional writes".
FAULTS = {
    "slow down": (503, "SlowDown"),
    "internal error": (500, "InternalError"),
    "internal error after it was done": (500, "InternalError"),
    "cut": None,
    "cut after it was done": None,
    "cut in the answer": None,
}
CONFLICTS = {
    "conflict": (409, "ConditionalRequestConflict"),
    "conflict with itself": (409, "OperationAborted"),
}
CONDITIONS = {"if-match", "if-none-match"}


class FaultyS3(ThreadingHTTPServer):
    """Counts in `faults` how often each fault occurred."""

    daemon_threads = True

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), Call)
        self.behind = urllib.parse.urlsplit(behind).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.calls, self.kinds = itertools.count(1), itertools.cycle(FAULTS)
        self.writes, self.conflicts = itertools.count(1), itertools.cycle(CONFLICTS)
        self.lock, self.faults = threading.Lock(), dict.fromkeys(FAULTS | CONFLICTS, 0)

    def fault(self, conditional):
        """The fault of the next call, if any."""
        with self.lock:
            if conditional and next(self.writes) % 2:
                kind = next(self.conflicts)
            elif next(self.calls) % 5 == 0:
                kind = next(self.kinds)
            else:
                return None
            self.faults[kind] += 1
            return kind

    def handle_error(self, *_):
        pass

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        conditional = self.command == "PUT" and any(name.lower() in CONDITIONS for name in self.headers)
        fault = self.server.fault(conditional)
        if fault in (None, "cut in the answer") or fault.endswith("after it was done"):
            status, headers, answer = self.forward(body)
        if fault is None:
            return self.reply(status, headers, answer)
        if fault == "cut in the answer":
            self.close_connection = True
            return self.reply(status, headers, answer, len(answer) // 2)
        if (FAULTS | CONFLICTS)[fault] is None:
            self.close_connection = True
            return None
        status, code = (FAULTS | CONFLICTS)[fault]
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>not today</Message></Error>'
        return self.reply(status, [("content-type", "application/xml")], b"" if self.command == "HEAD" else text.encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do

    def forward(self, body):
        connection = http.client.HTTPConnection(self.server.behind)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def reply(self, status, headers, body, sent=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = dict((name.lower(), value) for name, value in headers).get("content-length")
        self.send_header("content-length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, *_):
        pass
