"""The gate behind both ways in: what Bolt gets to see, and the acknowledgement of everything else."""

from typing import Any

import structlog
from pydantic import ValidationError
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.slack.payloads import Click, Command, HomeOpened, Payload, Shortcut, Submission
from bot.slack.views.modals import form_not_read
from bot.slack.views.refusals import NOT_READ

log = structlog.get_logger(__name__)

_KINDS: dict[object, tuple[str, type[Payload]]] = {
    "block_actions": ("click", Click),
    "message_action": ("chosen", Shortcut),
    "shortcut": ("chosen", Shortcut),
    "view_submission": ("form", Submission),
    "app_home_opened": ("opened", HomeOpened),
}
_COMMAND = ("typed", Command)
_NAMES = {"typed": "command", "form": "form", "click": "click", "chosen": "shortcut", "opened": "home"}
"""What people did, by the argument name under which listeners get it."""


def bolt_request(body: object) -> AsyncBoltRequest | None:
    """Return what Bolt gets to see of a payload; None if it is nothing that a listener knows, or is malformed.

    Bolt gets the known fields only, as its own code fails on payloads of other shapes.
    Listeners get the payload as a model, by the argument name ``typed`` (a command), ``click``, ``chosen`` (a
    shortcut), ``form`` or ``opened`` (the Home). The log names the fields that do not fit, never what they held.
    """
    name, kind = "", None
    if isinstance(body, dict):
        # The envelope of an event has one type for all of them.
        event = body.get("event") if body.get("type") == "event_callback" else None
        named = event.get("type") if isinstance(event, dict) else body.get("type")
        known = _COMMAND if "command" in body else _KINDS.get(named) if isinstance(named, str) else None
        name, kind = known or ("", None)
    if kind is None:
        log.warning("payload_refused", kind="unknown")
        return None
    try:
        payload = kind.model_validate(_without_nul(body))
    except ValidationError as error:
        places = [".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)]
        log.warning("payload_refused", kind=kind.__name__, places=places[:5])
        return None
    # As a dict it is what Bolt takes in Socket Mode: verified and parsed already.
    return AsyncBoltRequest(body=payload.model_dump(), context={name: payload}, mode="socket_mode")


def kind_of(request: AsyncBoltRequest) -> str:
    """Return what somebody did in Slack, as a word for the metrics."""
    return next(word for name, word in _NAMES.items() if name in request.context)


def _without_nul(value: Any) -> Any:
    """Return the same without NUL, which means nothing to people, and which PostgreSQL keeps in no text."""
    match value:
        case str():
            return value.replace("\0", "")
        case dict():
            return {name: _without_nul(each) for name, each in value.items()}
        case list():
            return [_without_nul(each) for each in value]
        case _:
            return value


def acknowledgement(body: object) -> dict[str, Any] | None:
    """Return the answer to a payload that no listener knows; None if Slack can't have sent it.

    Everything that Slack really sends is acknowledged: without that, people see an error of Slack's own.
    """
    match body:
        case {"type": "url_verification", "challenge": str(challenge)}:
            # Slack takes a request URL for events only from whoever gives this back.
            return {"challenge": challenge}
        case {"type": "view_submission"}:
            return {"response_action": "update", "view": form_not_read()}
        case {"command": str()}:
            return {"response_type": "ephemeral", "text": NOT_READ}
        case {"type": str()}:
            return {}
        case _:
            return None
