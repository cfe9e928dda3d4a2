"""Slack's payloads, read strictly: the known fields reach the listeners, and nothing else does."""

from typing import Any

import pytest
import structlog

from bot.slack.payloads import Click, Command, Submission, bolt_request

COMMAND: dict[str, Any] = {
    "command": "/cancel-order",
    "team_id": "T1",
    "user_id": "U0ANN",
    "user_name": "ann",
    "channel_id": "C1",
    "text": " ord_1 paid &lt;twice&gt; &amp; more ",
    "trigger_id": "1.2",
    "response_url": "https://hooks.slack.com/1",
}
CLICK: dict[str, Any] = {
    "type": "block_actions",
    "team": {"id": "T1"},
    "user": {"id": "U0BEN", "username": "ben"},
    "actions": [{"type": "button", "action_id": "approve", "value": "c0ffee"}],
    "trigger_id": "1.2",
}
FORM: dict[str, Any] = {
    "type": "view_submission",
    "team": None,
    "enterprise": {"id": "E1"},
    "user": {"id": "U0BEN", "name": "ben"},
    "view": {"id": "V1", "type": "modal", "callback_id": "reject_reason", "state": {}},
}


@pytest.mark.parametrize(
    "body, name, kind", [(COMMAND, "typed", Command), (CLICK, "click", Click), (FORM, "form", Submission)]
)
def test_listeners_get_the_payload_by_its_argument_name(body: dict[str, Any], name: str, kind: type) -> None:
    """Bolt hands listeners the entries of the context, so the payload is there, read once."""
    request = bolt_request(body | {"token": "legacy"})
    assert request is not None
    assert isinstance(request.context[name], kind)
    assert "token" not in request.body


def test_a_commands_text_is_read_as_it_was_typed() -> None:
    """Slack escapes three characters in it."""
    assert Command.model_validate(COMMAND).as_typed == "ord_1 paid <twice> & more"


def test_a_click_has_the_name_the_value_and_the_workspace() -> None:
    """The person's name comes in one of two fields, and the workspace may be an organisation."""
    click = Click.model_validate(CLICK)
    assert (click.user.shown_name, click.value, click.team_id, click.enterprise_id) == ("ben", "c0ffee", "T1", None)
    form = Submission.model_validate(FORM)
    assert (form.user.shown_name, form.team_id, form.enterprise_id) == ("ben", None, "E1")


@pytest.mark.parametrize("body", [None, [], "x", {}, {"type": "event_callback"}, {"type": ["block_actions"]}])
def test_a_payload_that_no_listener_knows_is_refused(body: object) -> None:
    """Anything else than a command, a click or a form is nothing, and the log says so."""
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
    ],
)
def test_a_malformed_payload_is_refused_without_a_word_of_it(body: dict[str, Any], place: str) -> None:
    """The log names the field that does not fit, never what it held."""
    with structlog.testing.capture_logs() as logs:
        assert bolt_request(body) is None
    (line,) = logs
    assert place in line["places"]
    assert "secret-word" not in str(line)
