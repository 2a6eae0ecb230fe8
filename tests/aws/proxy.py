"""A proxy in front of the local AWS; what it does with a call is its subclasses' business."""

import http.client
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind, call):
        super().__init__(("127.0.0.1", 0), call)
        self.behind = urllib.parse.urlsplit(behind).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()

    def handle_error(self, *_):
        pass

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Call(BaseHTTPRequestHandler):
    """One call of a client; `answer` takes its body."""

    protocol_version = "HTTP/1.1"

    def do(self):
        return self.answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

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
        self.wfile.write(b"" if self.command == "HEAD" else body[:sent])

    def log_message(self, *_):
        pass


class Webhook(Proxy):
    """Takes messages, as a chat would: `received` holds their JSON."""

    def __init__(self):
        super().__init__("http://nowhere", WebhookCall)
        self.received = []
        self.url += "/hook?sig=a-secret-of-the-webhook"


class WebhookCall(Call):
    def answer(self, body):
        with self.server.lock:
            self.server.received.append(json.loads(body))
        return self.reply(200, [], b"")


def error_of_s3(code, message):
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
