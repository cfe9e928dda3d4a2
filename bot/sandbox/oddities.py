"""Payloads that Slack really sends and that are easily forgotten: other types, nulls, missing and unknown fields.

Sources: https://docs.slack.dev/reference/interaction-payloads (with the examples on its pages),
https://docs.slack.dev/apis/events-api/using-socket-mode and the payloads that the SDKs publish,
https://github.com/slackapi/java-slack-sdk/tree/main/json-logs/samples/app-backend and
https://github.com/slackapi/bolt-python/tree/main/tests/scenario_tests.
"""

import copy
from dataclasses import dataclass
from typing import Any

from bot.sandbox.person import Person
from bot.sandbox.views import as_view
from bot.sandbox.workspace import Json, OpenView, Posted, as_payload

_OPTION: Json = {"text": {"type": "plain_text", "text": "One", "emoji": True}, "value": "one"}
_VALUES: dict[str, Json] = {
    "static_select": {"selected_option": _OPTION},
    "external_select": {"selected_option": _OPTION},
    "users_select": {"selected_user": "U0ANN"},
    "conversations_select": {"selected_conversation": "C0GENERAL"},
    "channels_select": {"selected_channel": "C0GENERAL"},
    "multi_static_select": {"selected_options": [_OPTION]},
    "multi_users_select": {"selected_users": ["U0ANN"]},
    "overflow": {"selected_option": _OPTION},
    "checkboxes": {"selected_options": [_OPTION]},
    "radio_buttons": {"selected_option": _OPTION},
    "datepicker": {"selected_date": "2026-11-23"},
    "timepicker": {"selected_time": "09:00"},
    "datetimepicker": {"selected_date_time": 1_795_424_400},
    "plain_text_input": {"value": "typed"},
    "number_input": {"value": "7"},
    "rich_text_input": {"rich_text_value": {"type": "rich_text", "elements": []}},
    "workflow_button": {"text": {"type": "plain_text", "text": "Run"}},
    "feedback_buttons": {"text": {"type": "plain_text", "text": "Good"}, "value": "good"},
    "icon_button": {"text": {"type": "plain_text", "text": "Delete"}, "value": "delete"},
}
"""What each element but a button gives in ``actions``."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """A payload with its envelope's type. ``name`` says what is odd about it."""

    name: str
    kind: str
    payload: Json


def oddities(person: Person, message: Posted, action_id: str, opened: OpenView | None = None) -> list[Oddity]:
    """Return the odd payloads of this person about a message with this button and, if there is one, an open form.

    Those about the button and the form mean what the plain ones mean: an app must do the same. The app can do nothing
    with the others, but must acknowledge each. Raises LookupError if the message has no such button.
    """
    return [
        *_clicks(person, message, action_id),
        *([] if opened is None else _forms(person, opened)),
        *_others(person, message),
        *_events(person, message),
    ]


def odd_shortcuts(person: Person, message: Posted) -> list[Oddity]:
    """Return the odd payloads of this person for each shortcut that the app declares, on this message.

    They mean what the plain ones mean. Only those without the message's text leave nothing to read there.
    """
    everywhere: dict[str, dict[tuple[str | int, ...], Any]] = {
        "with null for the names": {("user", "name"): None, ("user", "username"): None},
        "where the app is installed for the organisation": {("team",): None, ("is_enterprise_install",): True},
        # As in the payloads of bolt-python's own tests, which are older.
        "without the organisation": {("enterprise",): ..., ("is_enterprise_install",): ...},
        "without the person's workspace": {("user", "team_id"): ...},
    }
    on_messages: dict[str, dict[tuple[str | int, ...], Any]] = {
        "with id and name of the person only": {("user", "username"): ..., ("user", "team_id"): ...},
        # Bolt-js says of the user: "it won't be there for bot messages". A message with files names no team:
        # https://github.com/slackapi/bolt-python/issues/708.
        "on a message of nobody": {("message", "user"): ..., ("message", "bot_id"): "B0OTHER"},
        "on a message without team and blocks": {("message", "team"): ..., ("message", "blocks"): ...},
        "on a message without text": {("message", "text"): ...},
    }
    found = []
    for shortcut in person.space.features.shortcuts:
        if shortcut.type == "message":
            payload, changes = person.message_shortcut_payload(message, shortcut.callback_id), everywhere | on_messages
        else:
            payload, changes = person.global_shortcut_payload(shortcut.callback_id), everywhere
        found += [
            Oddity(f"a {shortcut.type} shortcut {name}", "interactive", _changed(payload, change))
            for name, change in changes.items()
        ]
    return found


def odd_homes(person: Person, action_id: str) -> list[Oddity]:
    """Return the odd payloads of this person on their published Home tab, which has this button.

    They mean what the plain ones mean. Raises LookupError if the tab has no such button.
    """
    clicks: dict[str, dict[tuple[str | int, ...], Any]] = {
        "a click on the Home tab without the person's workspace": {("user", "team_id"): ...},
        "a click on the Home tab with null for the names": {("user", "name"): None, ("user", "username"): None},
        "a click on the Home tab of an app of the organisation": {("team",): None, ("is_enterprise_install",): True},
        # The page on app_home_opened has neither in its example.
        "a click on the Home tab without title and state": {("view", "title"): ..., ("view", "state"): ...},
    }
    events: dict[str, dict[tuple[str | int, ...], Any]] = {
        "the Home tab was opened, without its view": {("event", "view"): ...},
        "the Home tab was opened, without the organisation": {
            ("context_enterprise_id",): ...,
            ("authorizations",): ...,
        },
    }
    click, event = person.home_payload(action_id), person.home_opened_payload()
    return [
        *(Oddity(name, "interactive", _changed(click, change)) for name, change in clicks.items()),
        *(Oddity(name, "events_api", _changed(event, change)) for name, change in events.items()),
    ]


def _clicks(person: Person, message: Posted, action_id: str) -> list[Oddity]:
    changes: dict[str, dict[tuple[str | int, ...], Any]] = {
        "a click without the deprecated name": {("user", "name"): ...},
        "a click with null for the names": {("user", "name"): None, ("user", "username"): None},
        "a click without an address for answers": {("response_url",): ...},
        "a click with null for the address": {("response_url",): None},
        "a click without the person's workspace": {("user", "team_id"): ...},
        "a click where the app is installed for the organisation": {("team",): None, ("is_enterprise_install",): True},
        "a click without the state": {("state",): ...},
        "a click with fields of the future": {
            ("trigger",): {"id": "1.2"},
            ("user", "email_domain"): "local.test",
            ("actions", 0, "accessibility_label"): "Approve",
            ("container", "is_app_unfurl"): False,
            ("function_data",): {"execution_id": "Fx1", "function": {"callback_id": "f"}},
            ("bot_access_token",): "xwfp-local",
        },
    }
    return [
        Oddity(name, "interactive", _changed(person.click_payload(message, action_id), change))
        for name, change in changes.items()
    ]


def _forms(person: Person, opened: OpenView) -> list[Oddity]:
    payload = person.submission_payload(opened, {})
    changes: dict[str, dict[tuple[str | int, ...], Any]] = {
        # The page's own example has no more than these.
        "a form with id and username of the person only": {("user", "name"): ..., ("user", "team_id"): ...},
        "a form with null for the names": {("user", "name"): None, ("user", "username"): None},
        "a form where the app is installed for the organisation": {("team",): None, ("is_enterprise_install",): True},
        "a form without addresses for answers": {("response_urls",): ...},
        "a form with fields of the future": {("view", "accent"): "red", ("is_cleared",): False, ("interactivity",): {}},
    }
    return [Oddity(name, "interactive", _changed(payload, change)) for name, change in changes.items()]


def _others(person: Person, message: Posted) -> list[Oddity]:
    """Return interactions of types that the app does not ask for."""
    own, app = person.own_team, person.app_team
    ts = message.ts
    view = as_view(OpenView("V0ODD", person.id, _MODAL, "1.a"), person.space, {})
    channel = {"id": message.channel, "name": "privategroup"}
    used = [
        Oddity(
            f"a {element} was used",
            "interactive",
            person.action_payload(
                message,
                {"type": element, "action_id": "odd", "block_id": "b", "action_ts": ts, **copy.deepcopy(value)},
            ),
        )
        for element, value in _VALUES.items()
    ]
    cleared = person.action_payload(
        message,
        # An option that is deselected comes as null, as the page on block_actions says.
        {"type": "static_select", "action_id": "odd", "block_id": "b", "action_ts": ts, "selected_option": None},
    )
    home = person.envelope("block_actions", app) | {
        "container": {"type": "view", "view_id": "V0HOME"},
        "trigger_id": "1.2",
        "view": view | {"id": "V0HOME", "type": "home"},
        "actions": [{"type": "button", "action_id": "odd", "block_id": "b", "text": {}, "action_ts": ts}],
    }
    shortcut = {"callback_id": "odd", "trigger_id": "1.2", "action_ts": ts}
    about = {"channel": channel, "message_ts": ts, "message": as_payload(message, person.space), "response_url": None}
    suggestion = {"block_id": "b", "action_id": "odd", "value": "an", "container": {"type": "view"}, "view": view}
    attachment = {"callback_id": "odd", "actions": [{"name": "a", "type": "button", "value": "1"}], "channel": channel}
    dialog = {"callback_id": "odd", "submission": {}, "state": "", "channel": channel, "action_ts": ts}
    more: dict[str, Json] = {
        "a select was cleared": cleared,
        "a button of the Home tab": home,
        "a form was closed": person.envelope("view_closed", own) | {"view": view, "is_cleared": False},
        "all forms were closed": person.envelope("view_closed", own) | {"view": view, "is_cleared": True},
        "a global shortcut": person.envelope("shortcut", own) | shortcut,
        "a message shortcut": person.envelope("message_action", own) | shortcut | about,
        "options for a select": person.envelope("block_suggestion", own) | suggestion,
        "a button of an attachment": person.envelope("interactive_message", own) | attachment,
        "a legacy dialog": person.envelope("dialog_submission", own) | dialog,
        "a type of the future": person.envelope("canvas_action", own) | {"canvas": {"id": "F1"}},
    }
    return [*used, *(Oddity(name, "interactive", payload) for name, payload in more.items())]


def _events(person: Person, message: Posted) -> list[Oddity]:
    """Return events, which the app does not subscribe to but gets after a change of its settings."""
    space, ts = person.space, message.ts
    events: dict[str, Json] = {
        "a message event": {"type": "message", "user": person.id, "text": "hi", "ts": ts, "channel": message.channel},
        "a mention": {"type": "app_mention", "user": person.id, "text": "hi", "ts": ts, "channel": message.channel},
        "the Home tab was opened": {"type": "app_home_opened", "user": person.id, "channel": "D0ODD", "tab": "home"},
        "a channel's id has changed": {"type": "channel_id_changed", "old_channel_id": "G1", "new_channel_id": "C1"},
        "tokens were revoked": {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [space.bot_user_id]}},
        "the app was uninstalled": {"type": "app_uninstalled"},
    }
    limited = {"type": "app_rate_limited", "token": "legacy", "team_id": space.team_id, "api_app_id": space.app_id}
    return [
        *(Oddity(name, "events_api", person.event_payload(event)) for name, event in events.items()),
        Oddity("events are rate limited", "events_api", limited | {"minute_rate_limited": int(float(ts))}),
    ]


_MODAL: Json = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Odd", "emoji": True},
    "blocks": [],
    "private_metadata": "",
    "callback_id": "odd",
}


def _changed(payload: Json, changes: dict[tuple[str | int, ...], Any]) -> Json:
    """Return the payload with these places changed; ``...`` stands for a field that is missing."""
    payload = copy.deepcopy(payload)
    for (*way, last), value in changes.items():
        place: Any = payload
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return payload
