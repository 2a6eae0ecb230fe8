"""S3 on a bad day: a proxy in front of the local one. Every fifth call fails, each time in a different way, and every second
conditional write conflicts with another in progress."""

import itertools

from proxy import Call, Proxy, error_of_s3

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


class FaultyS3(Proxy):
    """Counts in `faults` how often each fault occurred."""

    def __init__(self, behind):
        super().__init__(behind, FaultyCall)
        self.calls, self.kinds = itertools.count(1), itertools.cycle(FAULTS)
        self.writes, self.conflicts = itertools.count(1), itertools.cycle(CONFLICTS)
        self.faults = dict.fromkeys(FAULTS | CONFLICTS, 0)

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


class FaultyCall(Call):
    def answer(self, body):
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
        return self.reply(status, [("content-type", "application/xml")], error_of_s3(code, "not today"))
