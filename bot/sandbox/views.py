"""Views as Slack sends them to the app: the published Home tab, an open form, and what a person entered there.

Sources: https://docs.slack.dev/reference/views, …/interaction-payloads/view-interactions-payload ("state.values")
and, for the Home tab, https://docs.slack.dev/reference/events/app_home_opened.
"""

import copy
from collections.abc import Callable, Iterator, Mapping

from bot.sandbox.workspace import Json, OpenView, Workspace

Values = Mapping[str, str | list[str]]
"""What a person enters, by action id; options by their text or value, several of them for checkboxes.

In a menu of conversations people choose by id, among those that they are in. Nothing here keeps to its filter, which
an app cannot rely on: a channel can be shared a moment later.
"""


def as_view(opened: OpenView, space: Workspace, state: Json) -> Json:
    """Return a view as Slack sends it: what the app left out is null or an empty text."""
    home = opened.view["type"] == "home"
    return {
        # Not on any page, but in what Slack really sends for a Home tab.
        **({"title": {"type": "plain_text", "text": "View Title", "emoji": True}} if home else {}),
        "close": None,
        "submit": None,
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        **copy.deepcopy(opened.view),
        "id": opened.id,
        "hash": opened.hash,
        # Slack does not say whose workspace this is; an app must not go by it.
        "team_id": space.users[opened.user].team_id,
        "state": {"values": state},
        "root_view_id": opened.id,
        "previous_view_id": None,
        "app_id": space.app_id,
        "bot_id": space.bot_id,
        "app_installed_team_id": space.team_id,
    }


def entered(view: Json, values: Values, *, whole: bool) -> dict[str, dict[str, Json]]:
    """Return the state of a view's fields; those left out of ``values`` keep their initial values.

    With ``whole`` as in a form that is sent. Raises ValueError for values that Slack's own form would not send.
    """
    state: dict[str, dict[str, Json]] = {}
    for block in view["blocks"]:
        for element in elements_of(block):
            if element["type"] not in _FIELDS:
                continue
            field = _FIELDS[element["type"]](element, values)
            if whole and block["type"] == "input" and not block.get("optional") and _is_empty(field):
                raise ValueError(f"{element['action_id']} must be filled in")
            state.setdefault(block["block_id"], {})[element["action_id"]] = field
    return state


def elements_of(block: Json) -> Iterator[Json]:
    """Yield what people can use in a block of any type."""
    if block["type"] == "input":
        yield block["element"]
    elif block["type"] == "actions":
        yield from block["elements"]
    elif "accessory" in block:
        yield block["accessory"]


def _is_empty(field: Json) -> bool:
    return None in field.values() or field.get("selected_options") == []


def _typed(element: Json, values: Values) -> Json:
    value = values.get(element["action_id"], element.get("initial_value", ""))
    assert isinstance(value, str)
    if len(value) > element.get("max_length", 3000):
        raise ValueError(f"{element['action_id']} is too long to type")
    if "\n" in value and not element.get("multiline"):
        raise ValueError(f"{element['action_id']} has one line only")
    return {"type": "plain_text_input", "value": value or None}


def _selected(element: Json, values: Values) -> Json:
    """Return the state of a select menu or of radio buttons, with a null for none."""
    wanted, option = values.get(element["action_id"]), element.get("initial_option")
    if wanted is not None:
        assert isinstance(wanted, str)
        option = _option(element, wanted) if wanted else None
    return {"type": element["type"], "selected_option": copy.deepcopy(option)}


def _conversation(element: Json, values: Values) -> Json:
    chosen = values.get(element["action_id"], element.get("initial_conversation", ""))
    return {"type": "conversations_select", "selected_conversation": chosen or None}


def _ticked(element: Json, values: Values) -> Json:
    wanted, options = values.get(element["action_id"]), element.get("initial_options", [])
    if wanted is not None:
        chosen = [_option(element, each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
        # In the order in which they stand, whichever was ticked first.
        options = [each for each in element["options"] if each in chosen]
    return {"type": "checkboxes", "selected_options": copy.deepcopy(options)}


def _option(element: Json, wanted: str) -> Json:
    for each in element["options"]:
        if wanted in {each["value"], each["text"]["text"]}:
            found: Json = each
            return found
    raise ValueError(f"{element['action_id']} has no option {wanted}")


_FIELDS: dict[str, Callable[[Json, Values], Json]] = {
    "checkboxes": _ticked,
    "conversations_select": _conversation,
    "plain_text_input": _typed,
    "radio_buttons": _selected,
    "static_select": _selected,
}
"""The elements that keep a value."""
