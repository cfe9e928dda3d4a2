"""Slack's payloads, read strictly: only what the listeners need, with the types and lengths that Slack documents.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload and
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
"""

from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.domain.ids import CHANNEL_ID, USER_ID

log = structlog.get_logger(__name__)

UserId = Annotated[str, StringConstraints(pattern=f"^{USER_ID}$")]
ChannelId = Annotated[str, StringConstraints(pattern=f"^{CHANNEL_ID}$")]
Name = Annotated[str, StringConstraints(max_length=255)]
Address = Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$", max_length=2000)]
Text = Annotated[str, StringConstraints(max_length=16_000)]


class _Payload(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Team(_Payload):
    """A workspace or an organisation."""

    id: Name


class User(_Payload):
    """The person who clicked or submitted."""

    id: UserId
    name: Name = ""
    username: Name = ""

    @property
    def shown_name(self) -> str:
        """The name that Slack gives, whichever of the two fields it came in."""
        return self.name or self.username


class Command(_Payload):
    """A slash command."""

    command: Name
    team_id: Name
    enterprise_id: Name | None = None
    user_id: UserId
    user_name: Name = ""
    channel_id: ChannelId
    text: Text = ""
    trigger_id: Name
    response_url: Address

    @property
    def as_typed(self) -> str:
        """The text behind the command as it was typed: Slack escapes three characters in it."""
        return self.text.strip().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class Action(_Payload):
    """One pressed button."""

    type: Literal["button"]
    action_id: Name
    value: Annotated[str, StringConstraints(max_length=2000)] = ""


class _Interaction(_Payload):
    team: Team | None
    enterprise: Team | None = None

    @property
    def team_id(self) -> str | None:
        """The workspace's id, or None where Slack names only an organisation."""
        return self.team.id if self.team else None

    @property
    def enterprise_id(self) -> str | None:
        """The organisation's id, or None outside Enterprise Grid."""
        return self.enterprise.id if self.enterprise else None


class Click(_Interaction):
    """A pressed button with the person who pressed it, and the address for answers."""

    type: Literal["block_actions"]
    user: User
    actions: Annotated[list[Action], Field(min_length=1, max_length=25)]
    trigger_id: Name
    response_url: Address = ""

    @property
    def value(self) -> str:
        """The button's value."""
        return self.actions[0].value


class FormView(_Payload):
    """The form that was submitted."""

    id: Name
    type: Literal["modal"]
    callback_id: Name
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] = ""
    state: dict[str, dict[str, dict[str, dict[str, Any]]]]


class Submission(_Interaction):
    """A submitted form."""

    type: Literal["view_submission"]
    user: User
    view: FormView


_KINDS: dict[object, tuple[str, type[_Payload]]] = {
    "block_actions": ("click", Click),
    "view_submission": ("form", Submission),
}
_COMMAND = ("typed", Command)


def bolt_request(body: object) -> AsyncBoltRequest | None:
    """Return what Bolt gets to see of a payload; None if it is nothing that a listener knows, or is malformed.

    Both ways in pass through here. Bolt gets the known fields only, as its own code fails on payloads of other shapes.
    Listeners get the payload as a model, by the argument name ``typed`` (a command), ``click`` or ``form``. The log
    names the fields that do not fit, never what they held.
    """
    name, kind = "", None
    if isinstance(body, dict):
        named = body.get("type")
        known = _COMMAND if "command" in body else _KINDS.get(named) if isinstance(named, str) else None
        name, kind = known or ("", None)
    if kind is None:
        log.warning("payload_refused", kind="unknown")
        return None
    try:
        payload = kind.model_validate(body)
    except ValidationError as error:
        places = [".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)]
        log.warning("payload_refused", kind=kind.__name__, places=places[:5])
        return None
    # As a dict it is what Bolt takes in Socket Mode: verified and parsed already.
    return AsyncBoltRequest(body=payload.model_dump(), context={name: payload}, mode="socket_mode")
