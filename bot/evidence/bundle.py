"""The content of a file of evidence, and writing it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from bot import __version__
from bot.domain.audit import Event
from bot.domain.events import CardPosted, DeliveryAbandoned, RequestRefused, SetBack, with_words
from bot.domain.seal import checkpoint
from bot.domain.words import Word
from bot.store import Tables

_VERIFIER = Path(__file__).with_name("verify.py")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    "section{border-top:1px solid #999;padding:.6rem 0}section p{margin:0}code{font-size:.85em;color:#444}"
)


class NoEvidence(Exception):
    """There is no event about this order."""


@dataclass(frozen=True, slots=True)
class _Proved:
    """An event with the words beside it, and its inclusion proof in the sealed tree; empty without a seal."""

    event: Event
    words: Sequence[Word]
    proof: Sequence[bytes]

    @property
    def line(self) -> str:
        """The event as a line of JSON, with everything that its verification needs."""
        fields = self.event._asdict() | {
            "words": [word._asdict() for word in self.words],
            "proof": [each.hex() for each in self.proof],
        }
        return json.dumps(fields, ensure_ascii=True)


def write(tables: Tables, order_id: str, into: Path | IO[bytes], *, only_of: str | None = None) -> int:
    """Write the evidence for one order to a file, and return how many events it has. Raises NoEvidence or OSError.

    The caller reads one consistent state. The file has a page for people, the events with their proofs, the last seal,
    and a program that verifies all of it. With ``only_of`` it is about the requests of this person alone.
    """
    sealed = tables.seals.latest()
    size = sealed.size if sealed is not None else 0
    proved = [
        _Proved(event, tables.record.words_of(event.seq), tables.seals.proof(event.seq, size) if size else ())
        for event in tables.lookups.whole_story(order_id, only_of=only_of)
        # A hash covers the words of another person's request for this order, so the event cannot come without them.
        if only_of in {None, event.actor} or event.kind != RequestRefused.kind
    ]
    if not proved:
        raise NoEvidence
    note = sealed.note if sealed is not None else ""
    names = tables.people.names({each.event.actor for each in proved})
    with ZipFile(into, "w", ZIP_DEFLATED) as bundle:
        bundle.writestr("index.html", _page(order_id, proved, note, names, only_own=only_of is not None))
        bundle.writestr("events.jsonl", "".join(f"{each.line}\n" for each in proved))
        bundle.writestr("seal.txt", note)
        bundle.writestr("verify.py", _VERIFIER.read_text("utf-8"))
    return len(proved)


def _page(order_id: str, proved: Sequence[_Proved], note: str, names: Mapping[str, str], *, only_own: bool) -> str:
    rows = "".join(_row(each, names) for each in proved)
    links = "".join(f'<li><a href="{escape(each)}" rel="noreferrer">{escape(each)}</a></li>' for each in _cards(proved))
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Order {escape(order_id)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>Evidence for order {escape(order_id)}</h1>"
        f"<p>Written by Cancel Desk {__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. All times are in UTC."
        + (" It has only the requests of the person who asked for it." if only_own else "")
        + f"</p><h2>What happened</h2>{rows}"
        + (f"<h2>Cards in Slack</h2><ul>{links}</ul>" if links else "")
        + f"<h2>What this proves</h2>{_proof(note)}"
        "<p>verify.py checks what is in events.jsonl, and not this page. Where they differ, events.jsonl is right.</p>"
        "<p>It does not prove that no other event is about this order: for that, verify the whole record. It proves"
        " what the bot wrote down, and when by its clock.</p>"
    )


def _cards(proved: Sequence[_Proved]) -> list[str]:
    """Return the addresses of the requests' cards, without those that were replaced or that nobody finds any more."""
    links: dict[str, str] = {}
    for event in (each.event for each in proved):
        match event.content:
            case CardPosted(link=link):
                links[event.request] = link
            case DeliveryAbandoned(card_is_gone=True):
                links[event.request] = ""
    return [each for each in links.values() if each]


_SET_BACK = (
    "The bot may have gone on with an older copy of its database. What this request did between that copy and this "
    "event is not on record: it may have cancelled the order."
)


def _row(each: _Proved, names: Mapping[str, str]) -> str:
    event = each.event
    said = json.loads(with_words(event.kind, event.data, {word.field: word.text for word in each.words}))
    details = "".join(f"<p>{escape(name)}: {escape(value)}</p>" for name, value in _flat(said))
    if event.kind == SetBack.kind:
        details = f"<p>{_SET_BACK}</p>{details}"
    who = f"{names[event.actor]} ({event.actor})" if event.actor in names else event.actor
    when, what = event.at.replace("T", " ").partition(".")[0], event.kind.replace("_", " ")
    return (
        f"<section><p><b>{escape(what)}</b> by {escape(who)}, {escape(when)}</p>{details}"
        f"<p><code>{escape(event.head)}</code></p></section>"
    )


def _flat(said: Mapping[str, object], within: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field of an event's details with its value as people read it."""
    for name, value in said.items():
        field = f"{within}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{field}, ")
        elif isinstance(value, list):
            yield field, ", ".join(map(str, value))
        elif isinstance(value, bool):
            yield field, "yes" if value else "no"
        else:
            yield field, str(value)


def _proof(note: str) -> str:
    if not note:
        return (
            "<p>This record has no seal. The events fit their hashes. Compare the heads, such as #42·…, with those"
            " that Slack shows under the results: the same letters prove that the bot had written this by then.</p>"
        )
    found = checkpoint(note.rpartition("\n\n")[0] + "\n")
    return (
        f"<p>Each event is in the record of {found.size} events that the seal in seal.txt signs. To check that, run"
        " this in the unpacked folder, with the public key that the operator of the bot gave you:</p>"
        "<p><code>python3 verify.py --key PUBLIC</code></p>"
    )
