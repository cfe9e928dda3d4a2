"""Nonsense from the outside: made-up payloads over signed HTTP and Socket Mode break nothing and decide nothing."""

import asyncio
import contextlib
import copy
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import structlog
from hypothesis import HealthCheck, given, settings, strategies as st

from bot.slack.views import refusals
from bot.store import verify
from tests.flows.desk import LOBBY, Desk

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=40),
    st.sampled_from(["", "x" * 20_000, "<!channel>", "\x00", "\ud800", "C0PAY", "T0OTHER", "../..", "9" * 400]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
PLACES = st.lists(st.tuples(st.integers(0, 60), st.one_of(st.just("drop"), JUNK)), min_size=1, max_size=4)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a payload, outermost first."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, item in value.items() for place in places_in(item, (*path, key))]
    if isinstance(value, list):
        found += [place for index, item in enumerate(value) for place in places_in(item, (*path, index))]
    return found


def spoiled(payload: dict[str, Any], changes: list[tuple[int, Any]]) -> dict[str, Any]:
    """Return the payload with some places dropped or replaced."""
    payload = copy.deepcopy(payload)
    for number, junk in changes:
        places = places_in(payload)
        if not places:
            break
        *way, last = places[number % len(places)]
        parent: Any = payload
        for step in way:
            parent = parent[step]
        if junk == "drop":
            del parent[last]
        else:
            parent[last] = junk
    return payload


async def outsiders_payloads(desk: Desk) -> dict[str, dict[str, Any]]:
    """Return a command, a form and a click of a person who may only ask."""
    card = await desk.ask("ord_1")
    await desk.olga.command("/cancel-order ord_2", LOBBY)
    opened = await desk.wait(lambda: desk.olga.modal)
    click = desk.olga.click_payload(card, "approve")
    return {
        "click": click,
        "form": desk.olga.submission_payload(opened, {"order_id": "not an order"}),
        "reject form": desk.olga.submission_payload(opened, {})
        | {
            "view": {
                "id": "V9",
                "type": "modal",
                "callback_id": "reject_reason",
                "private_metadata": click["actions"][0]["value"],
                "state": {"values": {"reason": {"reason": {"value": "no"}}}},
            }
        },
        "command": {
            "team_id": desk.slack.space.team_id,
            "user_id": desk.olga.id,
            "user_name": "olga",
            "channel_id": LOBBY,
            "command": "/cancel-audit",
            "text": "7d",
            "trigger_id": "1.2",
            "response_url": "",
        },
    }


async def nothing_happened(desk: Desk) -> None:
    """Fail unless the request is still pending, nothing was sent, and the record is intact."""
    store = desk.running_bot.store
    found = await store.read(lambda tables: tables.requests.open_of("ord_1"))
    assert found is not None
    assert found.state == "pending"
    assert found.decisions == ()
    assert not desk.gateway.calls
    assert (await store.read(verify)).damage is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["click", "form", "reject form", "command"]), changes=PLACES)
async def test_made_up_http_payloads_are_never_a_server_error(http_payloads: Any, kind: str, changes: Any) -> None:
    """The answer to any signed request is not 5xx, nothing breaks, and nothing is decided."""
    desk, payloads = http_payloads
    payload = spoiled(payloads[kind], changes)
    fields = payload if kind == "command" else {"payload": json.dumps(payload)}
    body = urlencode({str(key): str(value) for key, value in fields.items()}, errors="replace").encode()
    with structlog.testing.capture_logs() as logs:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                desk.slack.events_url,
                data=body,
                headers=desk.slack.signed(body),
            ) as answer,
        ):
            assert answer.status < 500, await answer.text()
    assert "unexpected_error" not in {event["event"] for event in logs}
    await nothing_happened(desk)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["click", "form", "reject form", "command"]), changes=PLACES)
async def test_made_up_socket_payloads_break_nothing(socket_payloads: Any, kind: str, changes: Any) -> None:
    """The bot goes on after anything that comes through the socket, and nothing is decided."""
    desk, payloads = socket_payloads
    payload = spoiled(payloads[kind], changes)
    with structlog.testing.capture_logs() as logs, contextlib.suppress(TimeoutError, UnicodeEncodeError):
        # The local Slack cannot send everything that is made up here.
        delivering = desk.slack.deliver("slash_commands" if kind == "command" else "interactive", payload)
        async with asyncio.timeout(0.05):
            await delivering
    assert "unexpected_error" not in {event["event"] for event in logs}
    await nothing_happened(desk)


@pytest.fixture
async def http_payloads(quiet_desk: Desk) -> Any:
    """Return a desk with a bot in HTTP mode, and payloads to spoil."""
    await quiet_desk.start_bot(**quiet_desk.by_http)
    return quiet_desk, await outsiders_payloads(quiet_desk)


@pytest.fixture
async def socket_payloads(quiet_desk: Desk) -> Any:
    """Return a desk with a bot in Socket Mode, and payloads to spoil."""
    await quiet_desk.start_bot()
    return quiet_desk, await outsiders_payloads(quiet_desk)


@pytest.mark.parametrize(
    "body",
    [
        b"payload=[]",
        b"payload={",
        b"payload=",
        b"",
        b"payload=null",
        b"payload=%ff",
        b'["x"]',
        b"{",
        b"a=b",
        b"\xff\xfe",
        b"payload=" + b"[" * 5000,
        b"ssl_check=1",
        b'{"payload": {}}',
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", "text/plain"])
async def test_bodies_that_are_no_payload_are_refused(http_payloads: Any, body: bytes, content_type: str) -> None:
    """A signed body that is no payload of Slack's is 4xx, without a word of it in the log."""
    desk, _ = http_payloads
    headers = desk.slack.signed(body) | {"Content-Type": content_type}
    with structlog.testing.capture_logs() as logs:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                desk.slack.events_url,
                data=body,
                headers=headers,
            ) as answer,
        ):
            assert 400 <= answer.status < 500
    assert "unexpected_error" not in {event["event"] for event in logs}


async def test_half_a_command_is_answered_to_its_person(http_payloads: Any) -> None:
    """A command in a shape that the bot does not know is acknowledged, and the person reads that nothing happened."""
    desk, _ = http_payloads
    assert await desk.slack.deliver("slash_commands", {"command": "/cancel-order"}) == {
        "response_type": "ephemeral",
        "text": refusals.NOT_READ,
    }


@pytest.mark.parametrize("change", [{"payload": []}, {"payload": None}, {"payload": "x"}, {"type": "unheard_of"}])
async def test_envelopes_that_are_not_slacks_are_ignored(quiet_desk: Desk, change: dict[str, Any]) -> None:
    """An envelope that is not Slack's does not end the connection; the next command works."""
    await quiet_desk.start_bot()
    envelope = {"type": "interactive", "envelope_id": "e", "payload": {}} | change
    for socket in quiet_desk.slack.connections:
        await socket.send_str("no json")
        await socket.send_json(envelope)
    assert (await quiet_desk.ask("ord_1")).button("approve")
    assert len(asyncio.all_tasks()) < 100
