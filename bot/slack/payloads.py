"""Slack's payloads, read strictly: only what the listeners need, with the types and lengths that Slack documents.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands,
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload,
https://docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload,
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload and
https://docs.slack.dev/reference/events/app_home_opened
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bot.domain.ids import CHANNEL_ID, USER_ID

UserId = Annotated[str, StringConstraints(pattern=f"^{USER_ID}$")]
ChannelId = Annotated[str, StringConstraints(pattern=f"^{CHANNEL_ID}$")]
Name = Annotated[str, StringConstraints(max_length=255)]
Address = Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$", max_length=2000)]
Timestamp = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}\.[0-9]{6}$")]
Text = Annotated[str, StringConstraints(max_length=16_000)]


class Payload(BaseModel):
    """Anything that Slack sends."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, values: object) -> object:
        # Slack sends null for what it has not got, such as a person's name. One validator for each object, not for
        # each field: that alone took a tenth of the time in which a click is answered.
        if isinstance(values, dict) and None in values.values():
            return {name: value for name, value in values.items() if value is not None}
        return values


class Team(Payload):
    """A workspace or an organisation; a form names the organisation of its workspace in ``enterprise_id``."""

    id: Name
    enterprise_id: Name | None = None


class User(Payload):
    """The person who clicked or submitted. ``team_id`` is their own workspace, as far as Slack names it."""

    id: UserId
    name: Name = ""
    username: Name = ""
    team_id: Name | None = None

    @property
    def shown_name(self) -> str:
        """The name that Slack gives, whichever of the two fields it came in."""
        return self.name or self.username


class Command(Payload):
    """A slash command. ``team_id`` and ``enterprise_id`` are where it was typed; nobody else's app takes it there."""

    command: Name
    team_id: Name
    enterprise_id: Name | None = None
    user_id: UserId
    user_name: Name = ""
    channel_id: ChannelId
    channel_name: Name = ""
    text: Text = ""
    trigger_id: Name
    response_url: Address = ""

    @property
    def as_typed(self) -> str:
        """The text behind the command as it was typed: Slack escapes three characters in it."""
        return self.text.strip().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class Channel(Payload):
    """The channel of a message. A direct message between several people is called ``mpdm-…``."""

    id: ChannelId
    name: Name = ""


class Message(Payload):
    """A message from whose menu somebody chose a shortcut. ``thread_ts`` is that of its thread, if it is in one."""

    ts: Timestamp
    thread_ts: Timestamp | None = None
    text: str = ""


class Shortcut(Payload):
    """A shortcut that somebody chose: of a message's menu, or a global one, which has no channel and no message.

    ``team`` is where it was chosen, so that it proves nothing about the person.
    """

    type: Literal["message_action", "shortcut"]
    callback_id: Name
    user: User
    trigger_id: Name
    response_url: Address = ""
    channel: Channel | None = None
    message: Message | None = None


class Option(Payload):
    """The entry of a menu that somebody chose."""

    value: Annotated[str, StringConstraints(max_length=150)] = ""


class Action(Payload):
    """One pressed button, or one entry chosen from the menu beside the buttons."""

    type: Literal["button", "overflow"]
    action_id: Name
    block_id: Name = ""
    value: Annotated[str, StringConstraints(max_length=2000)] = ""
    selected_option: Option | None = None


class Container(Payload):
    """The place of a clicked button; ``message_ts`` is None where it is not on a message."""

    message_ts: Name | None = None


class ClickedView(Payload):
    """The view of a clicked button that is not on a message."""

    type: Name


class Click(Payload):
    """A pressed button or a chosen entry of a menu, with the person who pressed it.

    A click on a message has its ``channel`` and an address for answers; one on the Home tab has its ``view`` instead.
    ``team`` and ``enterprise`` are the app's, whoever clicked: they prove nothing about the person.
    """

    type: Literal["block_actions"]
    user: User
    actions: Annotated[list[Action], Field(min_length=1, max_length=25)]
    trigger_id: Name
    response_url: Address = ""
    channel: Channel | None = None
    container: Container | None = None
    view: ClickedView | None = None

    @property
    def on_home(self) -> bool:
        """True where the button is on the person's Home tab."""
        return self.view is not None and self.view.type == "home"

    @property
    def act(self) -> str:
        """The name of what the person wants to do: the button's action id, or the first word of the menu's entry."""
        return self._pressed[0]

    @property
    def value(self) -> str:
        """The button's value, or the rest of the menu's entry."""
        return self._pressed[1]

    @property
    def _pressed(self) -> tuple[str, str]:
        action = self.actions[0]
        if action.selected_option is None:
            return action.action_id, action.value
        act, _, value = action.selected_option.value.partition(" ")
        return act, value

    @property
    def place(self) -> tuple[str, str] | None:
        """The channel and timestamp of the clicked message, or None where it is not on a message."""
        if self.channel is None or self.container is None or self.container.message_ts is None:
            return None
        return self.channel.id, self.container.message_ts


class FormView(Payload):
    """The form that was submitted."""

    id: Name
    type: Literal["modal"]
    callback_id: Name
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] = ""
    state: dict[str, dict[str, dict[str, dict[str, Any]]]]


class Submission(Payload):
    """A submitted form. ``team`` is the person's workspace, and holds the organisation where there is one.

    ``enterprise`` is the app's organisation, whoever submitted: it proves nothing about the person.
    """

    type: Literal["view_submission"]
    team: Team | None = None
    user: User
    view: FormView

    @property
    def team_id(self) -> str | None:
        """The person's workspace, or None where Slack names only an organisation."""
        return self.user.team_id or (self.team.id if self.team else None)

    @property
    def enterprise_id(self) -> str | None:
        """The person's organisation, or None outside Enterprise Grid."""
        return self.team.enterprise_id if self.team else None


class HomeEvent(Payload):
    """The event inside its envelope. ``tab`` is the tab of the app's Home that somebody opened."""

    type: Literal["app_home_opened"]
    user: UserId
    tab: Name = ""


class HomeOpened(Payload):
    """Somebody opened the app's Home: the Home tab, or the messages beside it.

    Nothing in it says whose workspace the person's is: the ids of teams are the app's.
    """

    type: Literal["event_callback"]
    event: HomeEvent
