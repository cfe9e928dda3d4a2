"""The gate behind both ways in: known payloads reach the listeners, and everything that Slack sends is acknowledged."""

from typing import Any

import pytest
import structlog

from bot.sandbox.blockkit import problems_with_view
from bot.slack.gate import acknowledgement, bolt_request
from bot.slack.payloads import Click, Command, HomeOpened, Shortcut, Submission
from bot.slack.views.modals import form_not_read
from bot.slack.views.refusals import NOT_READ
from tests.slack.samples import CLICK, COMMAND, FORM, GLOBAL_SHORTCUT, HOME_CLICK, HOME_OPENED, MESSAGE_SHORTCUT


@pytest.mark.parametrize(
    "body, name, kind",
    [
        (COMMAND, "typed", Command),
        (CLICK, "click", Click),
        (HOME_CLICK, "click", Click),
        (FORM, "form", Submission),
        (HOME_OPENED, "opened", HomeOpened),
        (MESSAGE_SHORTCUT, "chosen", Shortcut),
        (GLOBAL_SHORTCUT, "chosen", Shortcut),
    ],
)
def test_listeners_get_the_payload_by_its_argument_name(body: dict[str, Any], name: str, kind: type) -> None:
    """Bolt hands listeners the entries of the context, so the payload is there, read once."""
    request = bolt_request(body | {"token": "legacy"})
    assert request is not None
    assert isinstance(request.context[name], kind)
    assert "token" not in request.body


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        7,
        {},
        {"type": "event_callback"},
        {"type": "event_callback", "event": "app_home_opened"},
        {"type": "event_callback", "event": {"type": ["app_home_opened"]}},
        {"type": "event_callback", "event": {"type": "message"}},
        {"type": ["block_actions"]},
        {"type": "view_closed"},
    ],
    ids=repr,
)
def test_a_payload_that_no_listener_knows_is_refused(body: object) -> None:
    """Anything else than a command, a click, a shortcut, a form or an opened Home is nothing, and the log says so."""
    with structlog.testing.capture_logs() as logs:
        assert bolt_request(body) is None
    assert logs == [{"event": "payload_refused", "kind": "unknown", "log_level": "warning"}]


@pytest.mark.parametrize(
    "body, place",
    [
        (COMMAND | {"user_id": "secret-word"}, "user_id"),
        (COMMAND | {"text": "secret-word" * 2000}, "text"),
        (CLICK | {"actions": []}, "actions"),
        (CLICK | {"response_url": "ftp://secret-word"}, "response_url"),
        (FORM | {"view": {"id": "secret-word"}}, "view.type"),
        (HOME_CLICK | {"view": {"id": "secret-word"}}, "view.type"),
        (HOME_OPENED | {"event": {"type": "app_home_opened", "user": "secret-word"}}, "event.user"),
        ({"type": "app_home_opened", "event": "secret-word"}, "type"),
        (MESSAGE_SHORTCUT | {"message": {"ts": "secret-word"}}, "message.ts"),
        (GLOBAL_SHORTCUT | {"user": "secret-word"}, "user"),
    ],
)
def test_a_malformed_payload_is_refused_without_a_word_of_it(body: dict[str, Any], place: str) -> None:
    """The log names the field that does not fit, never what it held."""
    with structlog.testing.capture_logs() as logs:
        assert bolt_request(body) is None
    (line,) = logs
    assert place in line["places"]
    assert "secret-word" not in str(line)


@pytest.mark.parametrize(
    "kind",
    [
        "view_closed",
        "shortcut",
        "message_action",
        "block_suggestion",
        "block_actions",
        "interactive_message",
        "dialog_submission",
        "event_callback",
        "app_rate_limited",
        "something_new",
    ],
)
def test_whatever_has_a_type_is_acknowledged(kind: str) -> None:
    """Slack shows people an error where nothing comes back, so the answer says nothing, but it comes."""
    assert acknowledgement({"type": kind, "user": None}) == {}


def test_a_form_that_cannot_be_read_is_answered_in_the_form() -> None:
    """The person reads that nothing has changed, in the place where they look."""
    assert acknowledgement({"type": "view_submission"}) == {"response_action": "update", "view": form_not_read()}
    assert problems_with_view(form_not_read()) == []
    assert "nothing has changed" in str(form_not_read())


def test_a_command_that_cannot_be_read_is_answered_to_its_person() -> None:
    """Nobody else reads the answer."""
    assert acknowledgement({"command": "/cancel-order"}) == {"response_type": "ephemeral", "text": NOT_READ}


@pytest.mark.parametrize("body", [None, [], "x", 7, {}, {"type": 7}, {"type": None}, {"ssl_check": "1"}], ids=repr)
def test_what_slack_cannot_have_sent_is_not_acknowledged(body: object) -> None:
    """Over HTTP the sender gets an error."""
    assert acknowledgement(body) is None


def test_slack_gets_its_challenge_back_and_nothing_else() -> None:
    """That is how Slack checks the address for events; without a challenge it is like any other payload."""
    asked = {"type": "url_verification", "token": "legacy", "challenge": "3eZbrw1a"}
    assert acknowledgement(asked) == {"challenge": "3eZbrw1a"}
    assert acknowledgement(asked | {"challenge": 7}) == {}


def test_nul_is_taken_out_of_every_text() -> None:
    """Nobody can see it, and not every database can keep it."""
    typed = bolt_request(COMMAND | {"text": "ord_1 a\0b", "user_name": "an\0n"})
    assert typed is not None
    assert (typed.context["typed"].text, typed.context["typed"].user_name) == ("ord_1 ab", "ann")
    values = {"reason": {"reason": {"type": "plain_text_input", "value": "n\0o"}}}
    form = bolt_request(FORM | {"view": FORM["view"] | {"state": {"values": values}}})
    assert form is not None
    assert form.context["form"].view.state["values"]["reason"]["reason"]["value"] == "no"
