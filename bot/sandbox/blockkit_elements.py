"""Slack's rules for the elements inside of blocks: buttons, menus, inputs, and the objects that they are made of.

Sources: https://docs.slack.dev/reference/block-kit/block-elements and …/composition-objects.
"""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

IN_ACTIONS = frozenset({"button", "overflow", "static_select"})
"""The elements of an actions block, of which one can be beside a section."""
IN_INPUTS = frozenset({"plain_text_input", "static_select", "conversations_select", "radio_buttons", "checkboxes"})
"""The elements of which an input block has one. Slack takes the last two in other blocks too; nobody here does that."""


def check_element(element: object, allowed: frozenset[str]) -> Iterator[str]:
    """Yield the reasons for which Slack would refuse this element, of which only some types are allowed here."""
    kind = element.get("type") if isinstance(element, dict) else None
    if not isinstance(element, dict) or not isinstance(kind, str) or kind not in allowed:
        yield f"unknown element {kind!r} here"
        return
    yield from check_length(element.get("action_id", ""), "action_id", 255)
    if "confirm" in element:
        yield from _confirm(element["confirm"])
    if "placeholder" in element:
        yield from check_text(element["placeholder"], "placeholder", 150, plain=True)
    yield from _RULES[kind](element)


def _button(element: Json) -> Iterator[str]:
    yield from check_fields(
        element,
        {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"},
    )
    yield from check_text(element.get("text"), "button text", 75, plain=True)
    if "value" in element:
        yield from check_length(element["value"], "value", 2000)
    if "accessibility_label" in element:
        yield from check_length(element["accessibility_label"], "accessibility_label", 75)
    if element.get("style", "primary") not in {"primary", "danger"}:
        yield "a button's style is primary or danger"


def _overflow(element: Json) -> Iterator[str]:
    yield from check_fields(element, {"type", "action_id", "options", "confirm"})
    # The page says "up to five". One option is enough, although the page once asked for two:
    # https://github.com/slackapi/python-slack-sdk/pull/1219
    yield from _options(element.get("options"), 5, {"text", "value", "description", "url"})


def _static_select(element: Json) -> Iterator[str]:
    # Slack also has groups of options, which nobody here uses.
    yield from check_fields(
        element, {"type", "action_id", "options", "initial_option", "confirm", "focus_on_load", "placeholder"}
    )
    options = element.get("options")
    yield from _options(options, 100, {"text", "value", "description"})
    # "A single option that exactly matches one of the options."
    if "initial_option" in element and isinstance(options, list) and element["initial_option"] not in options:
        yield "initial_option is none of the options"


def _conversations_select(element: Json) -> Iterator[str]:
    # https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element#conversations_select
    yield from check_fields(
        element,
        {
            "type",
            "action_id",
            "initial_conversation",
            "default_to_current_conversation",
            "confirm",
            "response_url_enabled",
            "filter",
            "focus_on_load",
            "placeholder",
        },
    )
    # https://docs.slack.dev/reference/block-kit/composition-objects/conversation-filter-object
    chosen = element.get("filter", {"include": ["public"]})
    yield from check_fields(chosen, {"include", "exclude_external_shared_channels", "exclude_bot_users"})
    if not chosen:
        yield "a filter needs one of its fields"
    if not set(chosen.get("include", ["im"])) <= {"im", "mpim", "private", "public"} or chosen.get("include") == []:
        yield "a filter includes some of im, mpim, private and public"


def _radio_buttons(element: Json) -> Iterator[str]:
    yield from check_fields(element, {"type", "action_id", "options", "initial_option", "confirm", "focus_on_load"})
    options = element.get("options")
    yield from _options(options, 10, {"text", "value", "description"}, plain=False)
    if "initial_option" in element and isinstance(options, list) and element["initial_option"] not in options:
        yield "initial_option is none of the options"


def _checkboxes(element: Json) -> Iterator[str]:
    yield from check_fields(element, {"type", "action_id", "options", "initial_options", "confirm", "focus_on_load"})
    options, initial = element.get("options"), element.get("initial_options", [])
    yield from _options(options, 10, {"text", "value", "description"}, plain=False)
    # "One or more of the options", so no empty list.
    if "initial_options" in element and (not initial or any(each not in (options or []) for each in initial)):
        yield "initial_options are none of the options"


def _plain_text_input(element: Json) -> Iterator[str]:
    yield from check_fields(
        element,
        {
            "type",
            "action_id",
            "initial_value",
            "multiline",
            "min_length",
            "max_length",
            "placeholder",
            "focus_on_load",
            "dispatch_action_config",
        },
    )
    longest = element.get("max_length", 3000)
    if not 1 <= longest <= 3000:
        yield "max_length is 1 to 3000"
    if len(element.get("initial_value", "")) > longest:
        yield "initial_value is longer than max_length"


_RULES: dict[str, Callable[[Json], Iterator[str]]] = {
    "button": _button,
    "checkboxes": _checkboxes,
    "conversations_select": _conversations_select,
    "overflow": _overflow,
    "plain_text_input": _plain_text_input,
    "radio_buttons": _radio_buttons,
    "static_select": _static_select,
}


def _options(options: object, most: int, fields: set[str], *, plain: bool = True) -> Iterator[str]:
    # https://docs.slack.dev/reference/block-kit/composition-objects/option-object: "Overflow, select, and multi-select
    # menus can only use plain_text objects, while radio buttons and checkboxes can use mrkdwn text objects."
    if not isinstance(options, list) or not 1 <= len(options) <= most:
        yield f"options must be 1 to {most}"
        return
    for option in options:
        if not isinstance(option, dict):
            yield "an option must be an object"
            continue
        yield from check_fields(option, fields)
        yield from check_text(option.get("text"), "option text", 75, plain=plain)
        yield from check_length(option.get("value"), "option value", 150)
        if "description" in option:
            yield from check_text(option["description"], "option description", 75, plain=plain)
        if "url" in option:
            yield from check_length(option["url"], "option url", 3000)
    # "A unique string value."
    values = [str(option.get("value")) for option in options if isinstance(option, dict)]
    if len(values) != len(set(values)):
        yield "two options have the same value"


def _confirm(confirm: object) -> Iterator[str]:
    if not isinstance(confirm, dict):
        yield "confirm must be an object"
        return
    yield from check_fields(confirm, {"title", "text", "confirm", "deny", "style"})
    yield from check_text(confirm.get("title"), "confirm title", 100, plain=True)
    yield from check_text(confirm.get("text"), "confirm text", 300)
    yield from check_text(confirm.get("confirm"), "confirm button", 30, plain=True)
    yield from check_text(confirm.get("deny"), "deny button", 30, plain=True)
    if confirm.get("style", "primary") not in {"primary", "danger"}:
        yield "a confirm dialog's style is primary or danger"


def check_text(text: object, what: str, most: int, *, plain: bool = False) -> Iterator[str]:
    """Yield what is wrong with a text object of at most so many characters."""
    if not isinstance(text, dict) or text.get("type") not in ({"plain_text"} if plain else {"plain_text", "mrkdwn"}):
        yield f"{what} must be a text object"
        return
    yield from check_fields(text, {"type", "text", "emoji", "verbatim"})
    yield from check_length(text.get("text"), what, most)


def check_length(text: object, what: str, most: int, *, least: int = 1) -> Iterator[str]:
    """Yield what is wrong with a text of at most so many characters."""
    if not isinstance(text, str):
        yield f"{what} must be text"
    elif not least <= len(text) <= most:
        yield f"{what} must have {least} to {most} characters, not {len(text)}"


def check_fields(thing: Json, known: set[str]) -> Iterator[str]:
    """Yield the fields that Slack does not know."""
    yield from (f"unknown field {name!r}" for name in thing if name not in known)
