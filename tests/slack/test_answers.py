"""Slack's answers: an "ok" that does not name what was asked for is no answer, and nothing is learned from it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.network import Network
from bot.sandbox.faults import Canned
from bot.sandbox.slack import LocalSlack
from bot.slack import answers
from bot.slack.answers import UnreadableAnswerError
from bot.slack.client import web_client
from bot.slack.errors import problem_of
from bot.slack.identity import fetch_app, fetch_identity

Read = Callable[[AsyncWebClient], Awaitable[object]]

ME = {"url": "https://x.slack.com/", "team_id": "T0LOCAL", "bot_id": "B0BOT", "user_id": "U0BOT"}


async def app(client: AsyncWebClient) -> object:
    """Return the app of the bot's token."""
    return await fetch_app(client, await fetch_identity(client))


def without(name: str) -> dict[str, Any]:
    """Return what auth.test says, without this field."""
    return {key: value for key, value in ME.items() if key != name}


def channel(client: AsyncWebClient) -> Awaitable[object]:
    """Read what Slack says of a channel."""
    return answers.conversation(client, "C0PAY")


def person(client: AsyncWebClient) -> Awaitable[object]:
    """Read what Slack says of a person."""
    return answers.user(client, "U0ANN")


def group(client: AsyncWebClient) -> Awaitable[object]:
    """Read who is in a group."""
    return answers.members(client, "S0LEADS")


def direct(client: AsyncWebClient) -> Awaitable[object]:
    """Read where a person's direct messages are."""
    return answers.direct_channel(client, "U0ANN")


ODD: list[tuple[str, Read, list[dict[str, Any]]]] = [
    ("conversations.info", channel, [{"channel": None}, {"channel": {}}, {"channel": {"id": "C0OTHER"}}]),
    ("users.info", person, [{"user": []}, {"user": {"id": "U0BEN", "team_id": "T0LOCAL"}}, {"user": {"id": "U0ANN"}}]),
    ("usergroups.users.list", group, [{"users": None}, {"users": "U0ANN"}, {"users": [None]}, {"users": {"U0ANN": 1}}]),
    ("conversations.open", direct, [{"channel": "D0"}, *({"channel": {"id": id_}} for id_ in (None, "", 1, "C0PAY"))]),
    ("auth.test", fetch_identity, [*map(without, ME), {**ME, "team_id": None}]),
    ("bots.info", app, [{"bot": {"app_id": "A0LOCAL"}}, {"bot": {"id": "B0OTHER", "app_id": "A0LOCAL"}}]),
]


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """Yield a workspace with two people, a group of theirs and a channel."""
    async with LocalSlack() as slack:
        slack.space.add_user("U0ANN", "ann")
        slack.space.add_channel("C0PAY", "payments", ("U0ANN",))
        slack.space.groups["S0LEADS"] = ["U0ANN"]
        yield slack


@pytest.mark.parametrize(
    "method, read, odd", [(method, read, odd) for method, read, all_odd in ODD for odd in ({}, *all_odd)]
)
async def test_an_ok_without_what_was_asked_for_is_no_answer(
    slack: LocalSlack, method: str, read: Read, odd: dict[str, Any]
) -> None:
    """It counts as unclear, and as no refusal; the next answer is read as ever."""
    client = web_client(slack.api_url, Network(), slack.bot_token)
    body = json.dumps({"ok": True, **odd}).encode()
    slack.faults.add(method, Canned(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(UnreadableAnswerError) as unreadable:
        await read(client)
    problem = problem_of(unreadable.value)
    assert (problem.name, problem.unclear, problem.refusal) == ("unreadable_answer", True, False)
    assert await read(client)


@pytest.mark.parametrize("found", [{"id": "W0ANN"}, {"id": "U0X", "enterprise_user": {"id": "W0ANN"}}])
async def test_a_person_is_known_by_the_id_in_the_organisation_as_well(
    slack: LocalSlack, found: dict[str, Any]
) -> None:
    """On Enterprise Grid a setting may name somebody by either of the two."""
    client = web_client(slack.api_url, Network(), slack.bot_token)
    body = json.dumps({"ok": True, "user": {"team_id": "T0LOCAL", **found}}).encode()
    slack.faults.add("users.info", Canned(200, body, {"Content-Type": "application/json"}))
    assert (await answers.user(client, "W0ANN"))["team_id"] == "T0LOCAL"
