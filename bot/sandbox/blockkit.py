"""Slack's rules for blocks and views, as far as this project uses blocks.

Sources: https://docs.slack.dev/reference/block-kit/blocks, …/composition-objects, …/block-elements and
https://docs.slack.dev/reference/views. Anything unknown here is refused, so that the sandbox never
accepts what Slack would refuse.
"""

import json
import re
from collections.abc import Callable, Iterator

from bot.sandbox.blockkit_elements import (
    IN_ACTIONS,
    IN_INPUTS,
    Json,
    check_element,
    check_fields,
    check_length,
    check_text,
)

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MOST_IN_ALL = 13_000
"""Characters of all blocks of one message, counted as ``counted`` does; more are ``msg_blocks_too_long``.

Slack names the error and no number. Reports put the limit at 13,200 to 13,297 characters and found that the blocks'
own structure counts (https://github.com/slackapi/bolt-js/issues/2509): a message with 11,341 characters of text was
refused (https://github.com/slackapi/bolt-js/issues/2867).
"""
_STYLES = {"bold", "italic", "strike", "code", "underline"}
_MENTION_STYLES = {"bold", "italic", "strike", "highlight", "client_highlight", "unlink", "underline"}


def problems_with_blocks(blocks: object, *, most: int = MESSAGE_BLOCKS, inputs: bool = False) -> list[str]:
    """Return the reasons for which Slack would refuse these blocks; ``inputs`` allows input blocks."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return ["blocks must be a list of objects"]
    problems = [] if len(blocks) <= most else [f"more than {most} blocks"]
    if most == MESSAGE_BLOCKS and counted(blocks) > MOST_IN_ALL:
        problems.append(f"blocks of more than {MOST_IN_ALL} characters in all")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        problems.append("a block_id is used twice")
    for index, block in enumerate(blocks):
        problems += [f"blocks[{index}]: {problem}" for problem in _block(block, inputs=inputs)]
    return problems


def counted(blocks: list[Json]) -> int:
    """Return the length of a message's blocks as Slack counts it, as far as anybody outside Slack knows.

    That is their JSON with a block id in every block, which Slack adds, and with entities for ``&``, ``<`` and ``>``.
    Characters count, not bytes: 12,000 Chinese characters were accepted.
    """
    named = [{"block_id": "abcde", **block} for block in blocks]
    text = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
    return len(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


_IN_EVERY_VIEW = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
_IN_MODALS = {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}


def problems_with_view(view: object, kind: str = "modal") -> list[str]:
    """Return the reasons for which Slack would refuse this view where one of this type belongs: modal or home."""
    if not isinstance(view, dict) or view.get("type") != kind:
        return [f"a view must be an object of type {kind} here"]
    problems = list(check_fields(view, _IN_EVERY_VIEW | (_IN_MODALS if kind == "modal" else set())))
    if kind == "modal":
        problems += check_text(view.get("title"), "title", 24, plain=True)
        for name in ("submit", "close"):
            if name in view:
                problems += check_text(view[name], name, 24, plain=True)
    problems += check_length(view.get("private_metadata", ""), "private_metadata", 3000, least=0)
    for name in ("callback_id", "external_id"):
        problems += check_length(view.get(name, ""), name, 255, least=0)
    problems += problems_with_blocks(view.get("blocks"), most=VIEW_BLOCKS, inputs=True)
    blocks = view.get("blocks")
    has_inputs = isinstance(blocks, list) and any(
        isinstance(block, dict) and block.get("type") == "input" for block in blocks
    )
    if has_inputs and kind == "modal" and "submit" not in view:
        problems.append("a modal with input blocks needs a submit")
    return problems


def _block(block: Json, *, inputs: bool) -> Iterator[str]:
    rules: dict[str, Callable[[Json], Iterator[str]]] = {
        "section": _section,
        "actions": _actions,
        "context": _context,
        "divider": _divider,
        "header": _header,
        "rich_text": _rich_text,
    }
    if inputs:
        rules["input"] = _input
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in rules:
        yield f"unknown block type {kind!r} here"
        return
    if "block_id" in block:
        yield from check_length(block["block_id"], "block_id", 255)
    yield from rules[kind](block)


def _section(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "text", "fields", "accessory", "expand"})
    if "text" not in block and "fields" not in block:
        yield "a section needs text or fields"
    if "text" in block:
        yield from check_text(block["text"], "text", 3000)
    fields = block.get("fields", [])
    if len(fields) > 10:
        yield "more than 10 fields"
    for field in fields:
        yield from check_text(field, "fields", 2000)
    if "accessory" in block:
        yield from check_element(block["accessory"], IN_ACTIONS)


def _actions(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "elements"})
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 25:
        yield "actions need 1 to 25 elements"
        return
    ids = [element.get("action_id") for element in elements if isinstance(element, dict)]
    if len(ids) != len(set(ids)):
        yield "an action_id is used twice in one block"
    for element in elements:
        yield from check_element(element, IN_ACTIONS)


def _context(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "elements"})
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 10:
        yield "a context needs 1 to 10 elements"
        return
    for element in elements:
        yield from check_text(element, "context", 3000)


def _divider(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id"})


def _header(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "text"})
    yield from check_text(block.get("text"), "header", 150, plain=True)


def _input(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "label", "element", "hint", "optional", "dispatch_action"})
    yield from check_text(block.get("label"), "label", 2000, plain=True)
    if "hint" in block:
        yield from check_text(block["hint"], "hint", 2000, plain=True)
    yield from check_element(block.get("element"), IN_INPUTS)


def _rich_text(block: Json) -> Iterator[str]:
    yield from check_fields(block, {"type", "block_id", "elements"})
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield "rich_text needs elements"
        return
    for element in elements:
        yield from _rich_list(element) if element.get("type") == "rich_text_list" else _rich_element(element, _RICH)


_RICH = frozenset({"rich_text_section", "rich_text_quote", "rich_text_preformatted"})


def _rich_list(element: Json) -> Iterator[str]:
    # https://docs.slack.dev/reference/block-kit/block-elements/rich-text-list-element
    yield from check_fields(element, {"type", "style", "elements", "indent", "offset", "border"})
    if element.get("style") not in {"bullet", "ordered"}:
        yield "a list's style is bullet or ordered"
    # "Can be a number from 0 (default) to 8" and "0 | 1": the types of node-slack-sdk.
    for name, most in (("indent", 8), ("border", 1), ("offset", None)):
        number = element.get(name, 0)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0 or (most and number > most):
            yield f"a list's {name} is a whole number{f' from 0 to {most}' if most else ''}"
    if not element.get("elements"):
        yield "rich_text_list needs elements"
    for item in element.get("elements", []):
        yield from _rich_element(item, frozenset({"rich_text_section"}))


def _rich_element(element: Json, allowed: frozenset[str]) -> Iterator[str]:
    if element.get("type") not in allowed:
        yield f"unknown rich text element {element.get('type')!r} here"
        return
    yield from check_fields(element, {"type", "elements", "border"})
    if not element.get("elements"):
        yield f"{element['type']} needs elements"
    for piece in element.get("elements", []):
        # Mentions and all the rest "must be used within" the other elements, say their pages.
        if element["type"] == "rich_text_preformatted" and piece.get("type") not in {"text", "link"}:
            yield f"no {piece.get('type')!r} in preformatted text"
        yield from _rich_piece(piece)


_PIECES: dict[str, tuple[dict[str, str], set[str], set[str]]] = {
    "text": ({"text": r"(?s).+"}, {"style"}, _STYLES),
    "user": ({"user_id": "[UW][A-Z0-9]+"}, {"style"}, _MENTION_STYLES),
    "channel": ({"channel_id": "[CDG][A-Z0-9]+"}, {"style"}, _MENTION_STYLES),
    "usergroup": ({"usergroup_id": "[SG][A-Z0-9]+"}, {"style"}, _MENTION_STYLES),
    "link": ({"url": r"\S+"}, {"text", "unsafe", "style"}, _STYLES),
    "emoji": ({"name": r"\S+"}, {"unicode"}, set()),
    "date": ({"format": r"(?s).+"}, {"timestamp", "url", "fallback"}, set()),
    "broadcast": ({"range": "here|channel|everyone"}, set(), set()),
}
"""The required texts of each piece with their forms, its other fields, and its styles."""


def _rich_piece(piece: Json) -> Iterator[str]:
    # https://docs.slack.dev/reference/block-kit/blocks/rich-text-block, "Rich text element types"
    kind = piece.get("type")
    if not isinstance(kind, str) or kind not in _PIECES:
        yield f"unknown rich text piece {kind!r}"
        return
    required, others, styles = _PIECES[kind]
    yield from (
        f"{kind} needs {field}"
        for field, form in required.items()
        if not (isinstance(piece.get(field), str) and re.fullmatch(form, piece[field]))
    )
    yield from check_fields(piece, {"type", *required, *others})
    style = piece.get("style", {})
    if not isinstance(style, dict) or set(style) - styles or not all(isinstance(on, bool) for on in style.values()):
        yield "unknown style"
    if kind == "date" and (not isinstance(piece.get("timestamp"), int) or isinstance(piece["timestamp"], bool)):
        yield "a date's timestamp is a whole number"
