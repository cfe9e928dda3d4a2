"""Messages as a person reads them: plain lines, with names, links and times written out."""

import html
import itertools
import re
from datetime import UTC, datetime

from bot.sandbox.workspace import Json, Posted


def read(message: Posted, names: dict[str, str]) -> str:
    """Return all that a person sees of a message, times in UTC; ``names`` has people's and channels' names by id."""
    lines = [read_blocks(message.blocks, names)] if message.blocks else []
    if not message.blocks and (message.text or not message.files):
        lines = [_mrkdwn(message.text, names)]
    return "\n".join([*lines, *(f"[file {file.name}]" for file in message.files)])


def read_blocks(blocks: list[Json], names: dict[str, str]) -> str:
    """Return all that a person sees of a message's or a view's blocks."""
    return "\n".join(line for block in blocks for line in _block(block, names))


def _block(block: Json, names: dict[str, str]) -> list[str]:
    match block["type"]:
        case "rich_text":
            return [line for element in block["elements"] for line in _rich(element, names)]
        case "actions":
            return [" ".join(_element(element) for element in block["elements"])]
        case "divider":
            return ["---"]
        case "input":
            return [f"{block['label']['text']}: {_element(block['element'])}"]
        case "context":
            return [" ".join(_text(element, names) for element in block["elements"])]
        case _:
            texts = [block["text"]] if "text" in block else []
            beside = [_element(block["accessory"])] if "accessory" in block else []
            return [*(_text(text, names) for text in [*texts, *block.get("fields", [])]), *beside]


def _element(element: Json) -> str:
    options = " | ".join(option["text"]["text"] for option in element.get("options", []))
    words: str = element["text"]["text"] if element["type"] == "button" else f"… {options}".strip()
    return f"[ {words} ]"


def _rich(element: Json, names: dict[str, str]) -> list[str]:
    if element["type"] == "rich_text_list":
        first, indent = element.get("offset", 0) + 1, "  " * element.get("indent", 0)
        marks = (f"{number}." if element["style"] == "ordered" else "•" for number in itertools.count(first))
        items = ("\n".join(_rich(item, names)) for item in element["elements"])
        return [f"{indent}{mark} {item}" for mark, item in zip(marks, items, strict=False)]
    text = "".join(_piece(piece, names) for piece in element["elements"])
    mark = "> " if element["type"] == "rich_text_quote" else ""
    return [mark + line for line in text.split("\n")]


def _piece(piece: Json, names: dict[str, str]) -> str:
    match piece["type"]:
        case "user":
            return f"@{names.get(piece['user_id'], piece['user_id'])}"
        case "channel":
            return f"#{names.get(piece['channel_id'], piece['channel_id'])}"
        case "usergroup":
            return f"@{names.get(piece['usergroup_id'], piece['usergroup_id'])}"
        case "broadcast":
            return f"@{piece['range']}"
        case "emoji":
            return f":{piece['name']}:"
        case "link":
            return f"{piece.get('text') or piece['url']}"
        case "date":
            form = "%Y-%m-%d %H:%M:%S" if "secs" in piece["format"] else "%Y-%m-%d %H:%M"
            return f"{datetime.fromtimestamp(piece['timestamp'], UTC):{form}}"
        case _:
            return str(piece.get("text", ""))


def _text(text: Json, names: dict[str, str]) -> str:
    return str(text["text"]) if text["type"] == "plain_text" else _mrkdwn(str(text["text"]), names)


def _mrkdwn(text: str, names: dict[str, str]) -> str:
    text = re.sub(r"<@([UW]\w+)(?:\|[^>]*)?>", lambda match: f"@{names.get(match[1], match[1])}", text)
    text = re.sub(r"<#([CDG]\w+)(?:\|([^>]*))?>", lambda match: f"#{names.get(match[1]) or match[2] or match[1]}", text)
    text = re.sub(r"<!subteam\^(\w+)(?:\|@?([^>]*))?>", lambda match: f"@{match[2] or match[1]}", text)
    text = re.sub(r"<!(here|channel|everyone)(?:\|[^>]*)?>", r"@\1", text)
    text = re.sub(r"<!date\^[^>|]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<([^>|]+)\|([^>]*)>", r"\2", text)
    return html.unescape(text)
