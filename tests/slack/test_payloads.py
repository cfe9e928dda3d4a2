"""Slack's payloads, read strictly in what counts, and without complaint where Slack leaves something out."""

from typing import Any

import pytest
from pydantic import ValidationError

from bot.slack.payloads import Click, Command, HomeOpened, Payload, Shortcut, Submission
from tests.slack.samples import CLICK, COMMAND, FORM, HOME_CLICK, HOME_OPENED, MESSAGE_SHORTCUT, changed

OPTIONAL = [
    (Command, COMMAND, "enterprise_id"),
    (Command, COMMAND, "user_name"),
    (Command, COMMAND, "channel_name"),
    (Command, COMMAND, "text"),
    (Command, COMMAND, "response_url"),
    (Click, CLICK, "team"),
    (Click, CLICK, "enterprise"),
    (Click, CLICK, "user.name"),
    (Click, CLICK, "user.username"),
    (Click, CLICK, "user.team_id"),
    (Click, CLICK, "response_url"),
    (Click, CLICK, "channel"),
    (Click, CLICK, "container"),
    (Click, CLICK, "container.message_ts"),
    (Click, CLICK, "view"),
    (HomeOpened, HOME_OPENED, "event.tab"),
    (Shortcut, MESSAGE_SHORTCUT, "team"),
    (Shortcut, MESSAGE_SHORTCUT, "user.name"),
    (Shortcut, MESSAGE_SHORTCUT, "user.team_id"),
    (Shortcut, MESSAGE_SHORTCUT, "channel"),
    (Shortcut, MESSAGE_SHORTCUT, "channel.name"),
    (Shortcut, MESSAGE_SHORTCUT, "message"),
    (Shortcut, MESSAGE_SHORTCUT, "message.text"),
    (Shortcut, MESSAGE_SHORTCUT, "message.thread_ts"),
    (Shortcut, MESSAGE_SHORTCUT, "response_url"),
    (Submission, FORM, "team"),
    (Submission, FORM, "enterprise"),
    (Submission, FORM, "user.name"),
    (Submission, FORM, "user.team_id"),
    (Submission, FORM, "view.private_metadata"),
]
"""The fields that Slack leaves out, or fills with null, in some payloads."""


@pytest.mark.parametrize("missing", [None, ...], ids=["null", "missing"])
@pytest.mark.parametrize("kind, body, place", OPTIONAL, ids=[f"{kind.__name__}.{place}" for kind, _, place in OPTIONAL])
def test_null_is_the_same_as_missing(kind: type[Payload], body: dict[str, Any], place: str, missing: object) -> None:
    """A field that the bot can do without is read the same, whether Slack leaves it out or sends null."""
    assert kind.model_validate(changed(body, place, missing)) == kind.model_validate(changed(body, place, ...))


def test_a_button_without_a_value_is_read() -> None:
    """Slack sends no value for a button that has none."""
    for action in (
        {"type": "button", "action_id": "approve"},
        {"type": "button", "action_id": "approve", "value": None},
    ):
        assert Click.model_validate(CLICK | {"actions": [action]}).value == ""


@pytest.mark.parametrize(
    "kind, body",
    [
        (Command, COMMAND),
        (Click, CLICK),
        (Submission, FORM),
        (HomeOpened, HOME_OPENED),
        (Shortcut, MESSAGE_SHORTCUT),
    ],
)
def test_fields_of_the_future_are_ignored(kind: type[Payload], body: dict[str, Any]) -> None:
    """Slack may add fields to any payload at any time."""
    assert kind.model_validate(body | {"assistant": {"id": "A1"}, "is_new": True}) == kind.model_validate(body)


def test_a_click_is_on_the_home_tab_where_its_view_is_one() -> None:
    """It has no message; a click in a form is none of either."""
    found = Click.model_validate(HOME_CLICK)
    assert (found.on_home, found.place, found.response_url) == (True, None, "")
    assert not Click.model_validate(CLICK).on_home
    assert not Click.model_validate(changed(HOME_CLICK, "view.type", "modal")).on_home


def test_a_commands_text_is_read_as_it_was_typed() -> None:
    """Slack escapes three characters in it."""
    assert Command.model_validate(COMMAND).as_typed == "ord_1 paid <twice> & more"


def test_a_persons_name_comes_in_one_of_two_fields() -> None:
    """The newer field counts where there is one."""
    assert Click.model_validate(CLICK).user.shown_name == "ben"
    assert Click.model_validate(changed(CLICK, "user.name", None)).user.shown_name == "ben"
    assert Click.model_validate(changed(CLICK, "user", {"id": "U0BEN"})).user.shown_name == ""


def test_a_click_has_its_value_and_its_place() -> None:
    """The place is known for a message in a channel, and not for a button of another surface."""
    click = Click.model_validate(CLICK)
    assert (click.value, click.place) == ("c0ffee", ("C1", "1.1"))
    assert Click.model_validate(changed(CLICK, "channel", ...)).place is None
    assert Click.model_validate(changed(CLICK, "container.message_ts", ...)).place is None


@pytest.mark.parametrize(
    "changes, team, enterprise",
    [
        pytest.param({}, "T1", None, id="of a workspace"),
        pytest.param({"user.team_id": None}, "T1", None, id="named by the form's workspace only"),
        pytest.param({"team": {"id": "T2", "enterprise_id": "E1"}, "user.team_id": "T2"}, "T2", "E1", id="of a sister"),
        pytest.param({"team": None, "user.team_id": None}, None, None, id="not named"),
    ],
)
def test_a_form_names_the_workspace_and_the_organisation_of_its_person(
    changes: dict[str, Any], team: str | None, enterprise: str | None
) -> None:
    """In a form ``team`` is the person's, with the organisation inside it."""
    body = FORM
    for place, value in changes.items():
        body = changed(body, place, value)
    form = Submission.model_validate(body)
    assert (form.team_id, form.enterprise_id) == (team, enterprise)


def test_the_apps_organisation_is_not_taken_for_the_persons() -> None:
    """``enterprise`` is the organisation in which the app is installed, also in the form of a person from elsewhere."""
    form = Submission.model_validate(changed(changed(FORM, "enterprise", {"id": "E1"}), "team", {"id": "T9"}))
    assert form.enterprise_id is None


@pytest.mark.parametrize(
    "kind, body, place, value",
    [
        (Command, COMMAND, "user_id", "ann"),
        (Command, COMMAND, "channel_id", "../C1"),
        (Command, COMMAND, "text", "x" * 16_001),
        (Command, COMMAND, "team_id", None),
        (Click, CLICK, "actions", []),
        (Click, CLICK, "actions", [{"type": "static_select", "action_id": "a"}]),
        (Click, CLICK, "response_url", "ftp://x"),
        (Click, CLICK, "user", None),
        (Shortcut, MESSAGE_SHORTCUT, "type", "block_actions"),
        (Shortcut, MESSAGE_SHORTCUT, "user", None),
        (Shortcut, MESSAGE_SHORTCUT, "channel.id", "../C1"),
        (Shortcut, MESSAGE_SHORTCUT, "message.ts", "1516229207/../x"),
        (Shortcut, MESSAGE_SHORTCUT, "message.thread_ts", "1.1&cid=C9"),
        (Submission, FORM, "view.type", "home"),
        (Submission, FORM, "view.state", None),
        (Submission, FORM, "view.state", {"values": {"reason": "no"}}),
    ],
)
def test_the_wrong_types_and_lengths_are_refused(
    kind: type[Payload], body: dict[str, Any], place: str, value: object
) -> None:
    """A payload that is not as Slack documents it reaches no listener."""
    with pytest.raises(ValidationError):
        kind.model_validate(changed(body, place, value))


def test_a_chosen_entry_of_a_menu_names_the_act_and_what_it_is_about() -> None:
    """A button names its act in its action id, a menu in the value of the entry that was chosen."""
    pressed = Click.model_validate(CLICK)
    assert (pressed.act, pressed.value) == ("approve", "c0ffee")
    menu = {"type": "overflow", "action_id": "more", "block_id": "decide"}
    chosen = menu | {"selected_option": {"text": {"type": "plain_text", "text": "Stop"}, "value": "stop c0ffee"}}
    click = Click.model_validate(CLICK | {"actions": [chosen]})
    assert (click.act, click.value) == ("stop", "c0ffee")
    nothing = Click.model_validate(CLICK | {"actions": [menu | {"selected_option": {"value": None}}]})
    assert (nothing.act, nothing.value) == ("", "")
