"""Lambda on this machine: runs the function's program as Lambda does, by Lambda's Runtime API.

An invocation goes to an idle worker, else to a new one. A worker is told when its time is up, is killed then, and the caller
hears `Sandbox.Timedout`; of one that dies the caller hears `Runtime.ExitError` at once. Time limit and environment of a
function are those it is deployed with: the caller hands them over with the event.

(`cargo lambda watch` cannot stand in here: it tells every invocation that its time was up in 1970, and does not notice that
a worker has died.)
"""

import json
import os
import queue
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a worker may need of this shell to reach another server than one of this machine.
PASSED_ON = ["HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"]


class Job:
    """One invocation."""

    def __init__(self, event):
        self.id = str(uuid.uuid4())
        self.event = event
        self.until = None  # set when a worker takes it: starting one does not count
        self.answer = None  # body, failed
        self.done = threading.Event()


class Worker:
    """One process of the function's program: an execution environment of Lambda."""

    def __init__(self, functions, name, settings):
        self.number = next(functions.numbers)
        self.name, self.settings = name, settings
        self.jobs = queue.Queue()
        self.job = None
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
        """The next invocation, as the worker asks for it."""
        job = self.jobs.get()
        if job:
            job.until = time.time() + self.settings["timeout"]
            self.job = job
        return job

    def answered(self, job_id, body, failed):
        job = self.job
        if job and job.id == job_id:
            job.answer, self.job = (body, failed), None
            job.done.set()

    def invoke(self, event):
        """Has the worker answer an event. Gives the answer, whether it is an error, and whether the worker is of use still."""
        job = Job(event)
        self.jobs.put(job)
        while not job.done.wait(0.05):
            if not self.is_alive():
                return told("Runtime.ExitError", f"RequestId: {job.id} Error: Runtime exited"), True, False
            if job.until and time.time() > job.until:
                self.end()
                message = f"RequestId: {job.id} Error: Task timed out after {self.settings['timeout']} seconds"
                return told("Sandbox.Timedout", message), True, False
        return *job.answer, True

    def end(self):
        self.jobs.put(None)
        self.process.kill()
        self.process.wait()


def told(kind, message):
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A worker that was killed has left its call; that is told elsewhere."""


class Functions:
    """All workers, and the server that they and callers speak to."""

    def __init__(self, program, log, port=0):
        self.program, self.log = str(program), log
        self.environment = {}
        self.workers, self.idle = {}, []
        self.numbers = iter(range(1, 1 << 30))
        self.lock = threading.Lock()
        self.calls = []  # each call that has ended: its event, its answer, whether that is an error
        self.seconds = []  # how long each took, with the start of a worker where it needed one
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
        """Workers that are at this step, with their events."""
        with self.lock:
            jobs = [(worker, worker.job) for worker in self.workers.values()]
        events = [(worker, json.loads(job.event)) for worker, job in jobs if job]
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
            job = functions.workers[int(self.path.split("/")[2])].take()
            if not job:
                self.close_connection = True
                return
            headers = {
                "content-type": "application/json",
                "lambda-runtime-aws-request-id": job.id,
                "lambda-runtime-deadline-ms": str(int(job.until * 1000)),
                "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:123456789012:function:local",
            }
            self.reply(200, job.event, headers)

        def do_POST(self):
            body, parts = self.body(), self.path.split("/")
            if parts[1] == "worker":
                functions.workers[int(parts[2])].answered(parts[-2], body, parts[-1] == "error")
                return self.reply(202)
            settings = json.loads(self.headers["x-function-settings"])
            answer, failed = functions.invoke(parts[3], settings, body)
            self.reply(200, answer, {"x-amz-function-error": "Unhandled"} if failed else {})

    return Handler
