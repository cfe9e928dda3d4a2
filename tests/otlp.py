"""A collector of traces: a plain HTTP server that decodes what OpenTelemetry's exporter sends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """The spans that came so far. While ``taking`` is not set, each batch hangs."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.taking = threading.Event()
        self.taking.set()
        self.asked = threading.Event()
        """Set once a first batch has arrived, whether it is taken or not."""
        self.port = 0

    @property
    def address(self) -> str:
        """What TRACES_TO holds for it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Any]:
        """Every span, in the order of their ends."""
        batches = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for batch in batches
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, str]:
        """What the first batch says about the process."""
        (resource, *_) = ExportTraceServiceRequest.FromString(self.bodies[0]).resource_spans
        return {each.key: each.value.string_value for each in resource.resource.attributes}

    def named(self, name: str) -> list[Any]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]


def attributes(span: Any) -> dict[str, str]:
    """Return a span's attributes."""
    return {each.key: each.value.string_value for each in span.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """Yield a collector on loopback."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            found.asked.set()
            if not found.taking.wait(60):
                return
            found.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            found.taking.set()
            server.shutdown()
            thread.join()
