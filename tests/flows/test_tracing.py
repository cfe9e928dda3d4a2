"""Traces for OpenTelemetry, at a collector that takes them, hangs, or is not there."""

import asyncio
import os
import re
import signal
import sys
import threading
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot.sandbox.faults import broken
from bot.sandbox.workspace import Posted
from bot.tracing import Tracing, acted_on, add_trace
from tests.flows.desk import ANN, BEN, Desk
from tests.otlp import Collector, attributes, collector
from tests.postgres import free_port


@pytest.fixture(autouse=True)
def no_spans_on_their_way() -> Iterator[None]:
    """Wait for the last spans of each bot, which outlive it: a later test would find their trouble in its log."""
    yield
    for thread in threading.enumerate():
        if thread.name == "last-spans":
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def spans() -> Iterator[Collector]:
    """Yield a collector."""
    with collector() as found:
        yield found


@pytest.fixture(params=["socket", "http"])
async def traced(quiet_desk: Desk, spans: Collector, request: pytest.FixtureRequest) -> Desk:
    """Return a desk whose bot sends traces, in each of the two modes."""
    by_http = quiet_desk.by_http if request.param == "http" else {}
    await quiet_desk.start_bot(TRACES_TO=spans.address, **by_http)
    return quiet_desk


async def cancelled(desk: Desk) -> Posted:
    """Let Ann ask for a cancellation and Ben approve it, and return the card at its end."""
    card = await desk.ask("ord_1", "typed twice")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.endings(card)
    await desk.running_bot.worker.until_idle()
    return card


def name_of(spans: Collector, span_id: bytes) -> str:
    """Return the name of the span with this id, or an empty text."""
    return next((span.name for span in spans.spans if span.span_id == span_id), "")


async def test_a_click_is_traced_to_the_gateway_and_to_the_last_message(traced: Desk, spans: Collector) -> None:
    """The call and the messages belong to the click that led to them, and the gateway can go on with the trace."""
    await cancelled(traced)
    await traced.stop_bot()
    assert spans.resource["service.name"] == "cancel-desk"
    (click,) = spans.named("slack click")
    (approve,) = spans.named("approve")
    (call,) = spans.named("gateway cancel")
    (answer,) = spans.named("record_answer")
    assert click.parent_span_id == b""
    assert name_of(spans, approve.parent_span_id) == "slack click"
    assert name_of(spans, call.parent_span_id) == "slack click"
    assert name_of(spans, answer.parent_span_id) == "gateway cancel"
    assert {each.trace_id for each in (click, approve, call, answer)} == {click.trace_id}
    deliveries = {attributes(span)["cancel_desk.delivery"]: span.trace_id for span in spans.named("slack deliver")}
    (form,) = spans.named("slack form")
    assert deliveries["card"] == form.trace_id
    assert deliveries["reply"] == deliveries["direct_message"] == click.trace_id
    assert attributes(call)["cancel_desk.outcome"] == "cancelled"
    assert attributes(click) == {
        "cancel_desk.act": "approve",
        "cancel_desk.verdict": "allowed",
        "cancel_desk.request": attributes(call)["cancel_desk.request"],
    }
    (sent,) = traced.gateway.calls
    # The last two digits say that the span is recorded, and that the trace's id is random.
    assert re.fullmatch(f"00-{call.trace_id.hex()}-{call.span_id.hex()}-0[13]", sent.headers["traceparent"])
    assert len(spans.named("slack command")) == 1


async def test_no_span_says_which_order_or_person_it_was(traced: Desk, spans: Collector) -> None:
    """Nor does it have words of people, or anything secret."""
    await cancelled(traced)
    await traced.stop_bot()
    assert spans.spans
    for hidden in (b"ord_1", ANN.encode(), BEN.encode(), b"typed twice", b"local-key", b"xoxb"):
        assert not [body for body in spans.bodies if hidden in body], hidden


async def test_a_setting_lets_them_in(quiet_desk: Desk, spans: Collector) -> None:
    """Then a trace is found by the order."""
    await quiet_desk.start_bot(TRACES_TO=spans.address, TRACES_WITH_IDS="true")
    await cancelled(quiet_desk)
    await quiet_desk.stop_bot()
    assert attributes(spans.named("gateway cancel")[0])["cancel_desk.order"] == "ord_1"
    assert attributes(spans.named("slack click")[0])["cancel_desk.person"] == BEN


async def test_a_line_of_the_log_names_its_trace(traced: Desk, spans: Collector) -> None:
    """So the log of one click, and of what it led to, is found by its trace, and the trace by the log."""
    lines: list[dict[str, Any]] = []

    def keep(_logger: object, _method: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    with structlog.testing.capture_logs():
        structlog.configure(processors=[add_trace, keep])
        await cancelled(traced)
        await traced.stop_bot()
    traces = {line["event"]: line.get("trace") for line in lines}
    (click,) = spans.named("slack click")
    assert traces["clicked"] == traces["answered"] == click.trace_id.hex()
    assert traces["stopped"] is None


async def test_several_attempts_are_one_trace(quiet_desk: Desk, spans: Collector) -> None:
    """Each is a span of its own, with what it proved."""
    await quiet_desk.start_bot(TRACES_TO=spans.address)
    quiet_desk.gateway.faults.add("ord_1", broken(500))
    await cancelled(quiet_desk)
    await quiet_desk.stop_bot()
    calls = spans.named("gateway cancel")
    assert [attributes(call)["cancel_desk.outcome"] for call in calls][-1] == "cancelled"
    assert len(calls) == 2
    assert {call.trace_id for call in calls} == {spans.named("slack click")[0].trace_id}


async def test_without_the_setting_nothing_is_sent(quiet_desk: Desk) -> None:
    """The gateway gets no header, and the log no trace."""
    await quiet_desk.start_bot()
    await cancelled(quiet_desk)
    (sent,) = quiet_desk.gateway.calls
    assert "traceparent" not in {name.lower() for name in sent.headers}
    assert add_trace(None, "", {"event": "x"}) == {"event": "x"}


@pytest.mark.parametrize("state", ["hangs", "away"])
async def test_a_collector_that_takes_nothing_delays_nobody(
    quiet_desk: Desk, spans: Collector, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clicks are acknowledged, the order is cancelled, and the bot stops, while a batch hangs all the time."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")  # milliseconds
    # Seconds until the thread gives a batch up, which outlives the bot.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2" if state == "hangs" else "0.2")
    spans.taking.clear()
    address = spans.address if state == "hangs" else f"http://127.0.0.1:{free_port()}"
    await quiet_desk.start_bot(TRACES_TO=address)
    for number in range(3):
        card = await quiet_desk.ask(f"ord_{number + 1}")
        await quiet_desk.ben.click(card, "approve")
        await quiet_desk.card_says(card, "✅ Cancelled")
    assert spans.asked.is_set() is (state == "hangs")
    await quiet_desk.running_bot.worker.until_idle()
    began = time.monotonic()
    await quiet_desk.stop_bot()
    assert time.monotonic() - began < 5
    assert not spans.bodies


async def test_a_process_ends_while_its_collector_hangs(quiet_desk: Desk, spans: Collector) -> None:
    """SIGTERM ends it within seconds, with exit code 0 and no traceback."""
    spans.taking.clear()
    environment = dict(os.environ) | quiet_desk.environment(TRACES_TO=spans.address, LOG_FORMAT="json")
    environment["OTEL_BSP_SCHEDULE_DELAY"] = "10"
    process = await create_subprocess_exec(sys.executable, "-m", "bot", "run", env=environment, stderr=PIPE)
    try:
        await quiet_desk.wait(lambda: quiet_desk.slack.connections, within=60)
        await quiet_desk.ask("ord_1")
        await asyncio.to_thread(spans.asked.wait, 30)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, written = await process.communicate()
        assert time.monotonic() - began < 10
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, written.decode()
    assert b"Traceback" not in written
    assert re.search(rb'"trace": ?"[0-9a-f]{32}"', written)


async def test_a_collector_that_takes_nothing_is_told_once(spans: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is that it takes spans again; the library's own lines, one for each batch, stay out of the log."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    tracing = Tracing(f"{spans.address}/")
    tracing.begin()
    spans.taking.clear()

    async def told(count: int) -> None:
        while len(logs) < count:
            with tracing.span("tried"):
                await asyncio.sleep(0.01)

    with structlog.testing.capture_logs() as logs:
        await told(1)
        for _ in range(20):
            with tracing.span("lost"):
                await asyncio.sleep(0.01)
        spans.taking.set()
        await told(2)
        await tracing.aclose()
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("traces_not_taken", "warning"),
        ("traces_taken", "info"),
    ]


async def test_an_exception_leaves_no_text_in_a_span(spans: Collector) -> None:
    """It might repeat what somebody typed."""
    tracing = Tracing(f"{spans.address}/")
    tracing.begin()
    with pytest.raises(ValueError, match="Hunter2"), tracing.span("broken"):
        raise ValueError("Hunter2")
    await tracing.aclose()
    (span,) = spans.spans
    assert span.status.message == "ValueError"
    assert b"Hunter2" not in spans.bodies[0]


async def test_only_the_last_requests_are_remembered(spans: Collector) -> None:
    """An old one begins a trace of its own."""
    tracing = Tracing(f"{spans.address}/")
    tracing.begin()
    for number in range(1001):
        with tracing.span("slack click"):
            acted_on(f"r{number}")
    for number in (0, 1, 1000):
        with tracing.span("gateway cancel", request=f"r{number}"):
            pass
    await tracing.aclose()
    first, *others = spans.named("gateway cancel")
    assert first.parent_span_id == b""
    assert [bool(each.parent_span_id) for each in others] == [True, True]


async def test_a_wrong_variable_of_the_library_ends_no_start(quiet_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot works without traces, and says so."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with structlog.testing.capture_logs() as logs:
        await quiet_desk.start_bot(TRACES_TO="http://127.0.0.1:4318")
        await cancelled(quiet_desk)
    told = [each for each in logs if each["event"].startswith("traces_")]
    assert [(each["event"], each["problem"]) for each in told] == [("traces_not_begun", "ValueError")]


async def test_a_name_of_the_operators_own(spans: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's variables say what else is known of the process."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "desk-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    tracing = Tracing(f"{spans.address}/")
    tracing.begin()
    with tracing.span("slack click"):
        pass
    await tracing.aclose()
    assert spans.resource["service.name"] == "desk-eu"
    assert spans.resource["deployment.environment"] == "test"
    assert spans.resource["telemetry.sdk.name"] == "opentelemetry"


async def test_the_librarys_own_switch_is_off_too(spans: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED leaves no header and no trace in the log."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing = Tracing(f"{spans.address}/")
    tracing.begin()
    with tracing.span("slack click"):
        assert add_trace(None, "", {"event": "x"}) == {"event": "x"}
    await tracing.aclose()
    assert not spans.bodies
