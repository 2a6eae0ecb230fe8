"""Lambda on this machine: runs the function's program through Lambda's Runtime API.

An invocation goes to an idle worker, or else to a new one. A worker knows its deadline; it is killed when that has passed,
and the caller gets `Sandbox.Timedout`. If a worker dies, the caller gets `Runtime.ExitError` at once. The caller passes the
function's deployed time limit and environment with the event.

(`cargo lambda watch` will not do: it gives every invocation a deadline in 1970, and does not notice when a worker dies.)
"""

import json
import os
import queue
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Variables of this shell that a worker needs to reach a server on another machine.
PASSED_ON = ["HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"]


class Invocation:
    """One invocation."""

    def __init__(self, event):
        self.id = str(uuid.uuid4())
        self.event = event
        self.until = None  # set when a worker takes it: starting a worker does not count
        self.answer = None  # (body, failed)
        self.done = threading.Event()


class Worker:
    """One process of the function's program: an execution environment of Lambda."""

    def __init__(self, functions, name, settings):
        self.number = next(functions.numbers)
        self.name, self.settings = name, settings
        self.queue = queue.Queue()
        self.invocation = None
        functions.workers[self.number] = self
        environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        environment |= {
            "NO_PROXY": "127.0.0.1,localhost",
            **settings["environment"],
            **functions.environment,
            "AWS_LAMBDA_RUNTIME_API": f"{functions.url}/worker/{self.number}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings["memory"]),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": str(self.number),
        }
        self.process = subprocess.Popen(
            [functions.program], env=environment, stdout=functions.log, stderr=functions.log, start_new_session=True
        )

    def is_alive(self):
        return self.process.poll() is None

    def take(self):
        """The next invocation, when the worker asks for it."""
        invocation = self.queue.get()
        if invocation:
            invocation.until = time.time() + self.settings["timeout"]
            self.invocation = invocation
        return invocation

    def answered(self, invocation_id, body, failed):
        invocation = self.invocation
        if invocation and invocation.id == invocation_id:
            invocation.answer, self.invocation = (body, failed), None
            invocation.done.set()

    def invoke(self, event):
        """Has the worker handle an event. Returns the answer, whether it is an error, and whether the worker can be reused."""
        invocation = Invocation(event)
        self.queue.put(invocation)
        while not invocation.done.wait(0.05):
            if not self.is_alive():
                return error_body("Runtime.ExitError", f"RequestId: {invocation.id} Error: Runtime exited"), True, False
            if invocation.until and time.time() > invocation.until:
                self.end()
                message = f"RequestId: {invocation.id} Error: Task timed out after {self.settings['timeout']} seconds"
                return error_body("Sandbox.Timedout", message), True, False
        return *invocation.answer, True

    def end(self):
        self.queue.put(None)
        self.process.kill()
        self.process.wait()


def error_body(kind, message):
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A killed worker drops its connection; Worker.invoke reports that."""


class Functions:
    """All workers, and the server for workers and callers."""

    def __init__(self, program, log, port=0):
        self.program, self.log = str(program), log
        self.environment = {}
        self.workers, self.idle = {}, []
        self.numbers = iter(range(1, 1 << 30))
        self.lock = threading.Lock()
        self.calls = []  # finished calls: event, answer, whether the answer is an error
        self.seconds = []  # how long each took, including the start of a worker
        self.server = Server(("127.0.0.1", port), handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def invoke(self, name, settings, event):
        began = time.monotonic()
        with self.lock:
            fits = [one for one in self.idle if (one.name, one.settings) == (name, settings) and one.is_alive()]
            worker = fits[-1] if fits else Worker(self, name, settings)
            if fits:
                self.idle.remove(worker)
        body, failed, is_of_use = worker.invoke(event)
        with self.lock:
            self.calls.append((json.loads(event), json.loads(body), failed))
            self.seconds.append(time.monotonic() - began)
            if is_of_use:
                self.idle.append(worker)
            else:
                del self.workers[worker.number]
        return body, failed

    def busy(self, step):
        """Workers that are busy with this step, with their events."""
        with self.lock:
            running = [(worker, worker.invocation) for worker in self.workers.values()]
        events = [(worker, json.loads(invocation.event)) for worker, invocation in running if invocation]
        return [(worker, event) for worker, event in events if event.get("step") == step]

    def stop(self):
        self.server.shutdown()
        for worker in list(self.workers.values()):
            worker.end()


def handler(functions):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def body(self):
            if self.headers.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def reply(self, status, body=b"", headers=None):
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            invocation = functions.workers[int(self.path.split("/")[2])].take()
            if not invocation:
                self.close_connection = True
                return
            headers = {
                "content-type": "application/json",
                "lambda-runtime-aws-request-id": invocation.id,
                "lambda-runtime-deadline-ms": str(int(invocation.until * 1000)),
                "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:123456789012:function:local",
            }
            self.reply(200, invocation.event, headers)

        def do_POST(self):
            body, parts = self.body(), self.path.split("/")
            if parts[1] == "worker":
                functions.workers[int(parts[2])].answered(parts[-2], body, parts[-1] == "error")
                return self.reply(202)
            settings = json.loads(self.headers["x-function-settings"])
            answer, failed = functions.invoke(parts[3], settings, body)
            self.reply(200, answer, {"x-amz-function-error": "Unhandled"} if failed else {})

    return Handler
