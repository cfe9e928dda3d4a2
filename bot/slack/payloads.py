"""What Slack sends, read strictly: only what the listeners need, with the types and lengths that Slack documents.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload and
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

UserId = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{1,30}$")]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
Name = Annotated[str, StringConstraints(max_length=255)]
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

    team_id: Name
    enterprise_id: Name | None = None
    user_id: UserId
    user_name: Name = ""
    channel_id: ChannelId
    text: Text = ""
    trigger_id: Name
    response_url: Text


class Action(_Payload):
    """One pressed button."""

    action_id: Name
    value: Annotated[str, StringConstraints(max_length=2000)] = ""


class Click(_Payload):
    """A pressed button with who pressed it, and where answers can go."""

    team: Team | None
    enterprise: Team | None = None
    user: User
    actions: Annotated[list[Action], Field(min_length=1, max_length=25)]
    trigger_id: Name
    response_url: Text = ""


class FormView(_Payload):
    """The form that was submitted."""

    id: Name
    callback_id: Name
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] = ""
    state: dict[str, dict[str, dict[str, dict[str, Any]]]]


class Submission(_Payload):
    """A submitted form."""

    team: Team | None
    enterprise: Team | None = None
    user: User
    view: FormView
