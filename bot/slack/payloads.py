"""What Slack sends, read strictly: only what the listeners need, with the types and lengths that Slack documents.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload and
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
"""

from typing import Annotated, Any, Literal, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

log = structlog.get_logger(__name__)

UserId = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{1,30}$")]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
Name = Annotated[str, StringConstraints(max_length=255)]
Address = Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$", max_length=2000)]
Text = Annotated[str, StringConstraints(max_length=16_000)]


class _Payload(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Team(_Payload):
    """The workspace that the person belongs to."""

    id: Name


class User(_Payload):
    """Who clicked or submitted."""

    id: UserId
    name: Name = ""
    username: Name = ""


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


class Action(_Payload):
    """One pressed button."""

    type: Literal["button"]
    action_id: Name
    value: Annotated[str, StringConstraints(max_length=2000)] = ""


class Click(_Payload):
    """A pressed button with who pressed it, and where answers can go."""

    type: Literal["block_actions"]
    team: Team | None
    enterprise: Team | None = None
    user: User
    actions: Annotated[list[Action], Field(min_length=1, max_length=25)]
    trigger_id: Name
    response_url: Address = ""


class FormView(_Payload):
    """The form that was submitted."""

    id: Name
    type: Literal["modal"]
    callback_id: Name
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] = ""
    state: dict[str, dict[str, dict[str, dict[str, Any]]]]


class Submission(_Payload):
    """A submitted form."""

    type: Literal["view_submission"]
    team: Team | None
    enterprise: Team | None = None
    user: User
    view: FormView


P = TypeVar("P", bound=_Payload)

_READ = "read"
"""Where a payload that Bolt hands on keeps the object that was made of it."""
_KINDS: dict[object, type[_Payload]] = {"block_actions": Click, "view_submission": Submission}


def understood(body: object) -> dict[str, Any] | None:
    """The parts of a payload that the listeners know, all of them well-formed; None if it is anything else.

    Bolt gets no more than this to see, as its own code fails on payloads of other shapes. The log says
    where a payload does not fit, never what it held.
    """
    kind = None
    if isinstance(body, dict):
        named = body.get("type")
        kind = Command if "command" in body else _KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        log.warning("payload_refused", kind="unknown")
        return None
    try:
        read = kind.model_validate(body)
    except ValidationError as error:
        places = [".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)]
        log.warning("payload_refused", kind=kind.__name__, places=places[:5])
        return None
    return read.model_dump() | {_READ: read}


def read_as(kind: type[P], body: dict[str, Any]) -> P:
    """What a payload that ``understood`` let through says; listeners are only called for the kind that they name."""
    read = body[_READ]
    assert isinstance(read, kind)
    return read
