"""Traces for OpenTelemetry: what a click led to, up to the call to the gateway and the last message in Slack.

Off unless the setting TRACES_TO names a collector, and then this is the only place that knows OpenTelemetry. Spans go
into a queue of fixed size, from which a thread sends them. So a collector that is away or hangs costs spans, and never
an acknowledgement, a step of the worker or the end of the bot.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple

import structlog

from bot import __version__

log = structlog.get_logger(__name__)

_LAST_SPANS_WITHIN = 1.0
"""Seconds that a stop gives to what is not sent yet."""
_MOST_REQUESTS = 1000
"""Requests whose last act is remembered; the worker is seldom later than that."""
_IDS = frozenset({"order", "person"})
"""Attributes that say which order or person it was."""


class _Here(NamedTuple):
    """The span that is under way in this task."""

    tracing: "Tracing"
    span: Any


_here: ContextVar[_Here | None] = ContextVar("span", default=None)


class Tracing:
    """The spans of one bot. ``collector`` is the address of an OTLP collector, with a slash at its end; None for off.

    Only ``with_ids`` do spans say which order and which person it was. Nothing is recorded before ``begin``.
    """

    def __init__(self, collector: str | None = None, *, with_ids: bool = False) -> None:
        self._collector = collector
        self._with_ids = with_ids
        self._provider: Any = None
        self._tracer: Any = None
        self._acts: OrderedDict[str, Any] = OrderedDict()
        """Where the last act on each request is in its trace, by the ids of the requests."""

    def begin(self) -> None:
        """Start the thread that sends spans, if there is a collector.

        What the library reads from variables of its own may be wrong, and that must not keep the bot from its start.
        """
        if self._collector is None:
            return
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 -- its text may repeat a variable that holds a secret
            log.warning("traces_not_begun", problem=type(error).__name__)

    def _begin(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

        class Exporter(SpanExporter):
            """The library's exporter, which tells once that the collector takes nothing, and not with each batch."""

            def __init__(self, sender: Any) -> None:
                self._sender, self._away = sender, False

            def export(self, spans: Any) -> SpanExportResult:
                result: SpanExportResult = self._sender.export(spans)
                away = result is not SpanExportResult.SUCCESS
                if away is not self._away:
                    self._away = away
                    log.warning("traces_not_taken") if away else log.info("traces_taken")
                return result

            def shutdown(self) -> None:
                self._sender.shutdown()

        # Its own lines name each batch that was lost, and each try.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        ours = Resource.create({"service.name": "cancel-desk", "service.version": __version__})
        # A process that ends must not wait for a collector, so the library's own hook is off.
        provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        sender = OTLPSpanExporter(endpoint=f"{self._collector}v1/traces")
        provider.add_span_processor(BatchSpanProcessor(Exporter(sender)))
        self._provider = provider
        self._tracer = self._provider.get_tracer("cancel-desk", __version__)

    async def aclose(self) -> None:
        """Give the spans that are left a second to be sent, and leave the rest."""
        if self._provider is None:
            return
        sent, loop = asyncio.Event(), asyncio.get_running_loop()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
                loop.call_soon_threadsafe(sent.set)

        # Not one of the loop's threads, for which the process would wait.
        threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SPANS_WITHIN):
                await sent.wait()

    @contextmanager
    def span(self, name: str, *, kind: str = "INTERNAL", request: str = "", **about: str) -> Iterator[None]:
        """Record what the block does: below the span that is under way, else below the last act on this ``request``.

        ``kind`` is one of OpenTelemetry's: SERVER for what comes in, CLIENT for a call. Of an exception, the name of
        its type is recorded and nothing of its text.
        """
        if self._tracer is None:
            yield
            return
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode, set_span_in_context

        above = _here.get()
        parent: Any = above.span if above is not None else None
        if parent is None and request in self._acts:
            parent = NonRecordingSpan(self._acts[request])
        context = set_span_in_context(parent, Context()) if parent is not None else Context()
        span = self._tracer.start_span(name, context, SpanKind[kind])
        if not span.get_span_context().is_valid:  # OTEL_SDK_DISABLED
            yield
            return
        token = _here.set(_Here(self, span))
        note(**({"request": request} if request else {}), **about)
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            _here.reset(token)
            span.end()

    def remember(self, request: str, span: Any) -> None:
        """Keep where the last act on this request is in its trace, so that what it leads to goes on there."""
        self._acts[request] = span.get_span_context()
        self._acts.move_to_end(request)
        if len(self._acts) > _MOST_REQUESTS:
            self._acts.popitem(last=False)

    def allows(self, attribute: str) -> bool:
        """Return False for what only the setting lets into a span."""
        return self._with_ids or attribute not in _IDS


OFF = Tracing()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Record what the block does, as a part of the span that is under way; nothing where there is none."""
    here = _here.get()
    if here is None:
        yield
        return
    with here.tracing.span(name):
        yield


def note(**about: str) -> None:
    """Add these attributes to the span that is under way, as far as the settings let them in."""
    here = _here.get()
    for name, value in about.items() if here is not None else ():
        if here is not None and value and here.tracing.allows(name):
            here.span.set_attribute(f"cancel_desk.{name}", value)


def acted_on(request: str) -> None:
    """Let what follows from the act under way, at the gateway and in Slack, belong to its trace."""
    here = _here.get()
    if here is not None:
        here.tracing.remember(request, here.span)
        note(request=request)


def headers() -> dict[str, str]:
    """Return the header by which whoever is called can go on with the trace: https://www.w3.org/TR/trace-context/."""
    here = _here.get()
    if here is None:
        return {}
    found = here.span.get_span_context()
    return {"traceparent": f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"}


def add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the trace that is under way to a line of the log."""
    here = _here.get()
    if here is not None:
        event["trace"] = f"{here.span.get_span_context().trace_id:032x}"
    return event
