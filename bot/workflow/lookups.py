"""Reading the record, and the rights to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import IO, TypeVar

from bot.domain import lookup, policy
from bot.domain.audit import Event
from bot.domain.events import RequestRefused
from bot.domain.lookup import Lookup, Mistake, NotAFilter
from bot.domain.policy import Actor, Scope
from bot.domain.projection import Contradiction
from bot.domain.request import Request
from bot.evidence import write
from bot.store import Page, Span, Tables
from bot.workflow.rules import Rules

T = TypeVar("T")

_MOST_SPELLINGS = 10
"""Order ids that are named to somebody who typed none of them."""


class MayNotRead(Exception):
    """The person asked for the requests of others without being an approver or auditor."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A look-up as somebody typed it, with their time zone and the page that they want.

    ``at`` and ``newest`` are when the first page was asked for, and its first row; None for the first page itself.
    Without ``counted``, nobody needs to know how many match in all.
    """

    text: str
    zone: tzinfo = UTC
    older_than: str | None = None
    newer_than: str | None = None
    at: datetime | None = None
    newest: str | None = None
    limit: int = 10
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer: requests, or the events of the story of the order named.

    ``checked`` has, for each request of the page, how the tables contradict the record there, or None; the page
    shows what the record says. ``contradictions`` are those of the page, or of the story's order. ``at`` is when the
    first page was asked for, and ``zone`` the name of the time zone in which its filters were read. ``sizes`` says how
    many orders the requests of the page have, by the requests' ids.

    ``typed`` is the order's ID as somebody typed it. Where only others that differ in case are on record, the story is
    that of the one, or nobody knows which of ``spellings`` is meant. ``alone`` is true where the order is all that was
    asked for.
    """

    page: Page[Request] | Page[Event]
    scope: Scope
    order_id: str | None
    contradictions: tuple[Contradiction, ...] = ()
    at: datetime | None = None
    zone: str = "UTC"
    checked: tuple[Contradiction | None, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    typed: str | None = None
    spellings: tuple[str, ...] = ()
    alone: bool = False


def look_up(tables: Tables, rules: Rules, actor: Actor, asked: Asked, at: datetime) -> Found:
    """Return one page of the answer: an order's whole story where an order is asked for, else requests.

    Raises NotAFilter or MayNotRead.
    """
    at = asked.at or at
    scope = policy.may_read(actor)
    wanted = _wanted(tables, rules, actor, asked, at)
    if scope is Scope.OWN and wanted.person not in {None, actor.id}:
        raise MayNotRead
    only_of = actor.id if scope is Scope.OWN else None
    count = partial(tables.lookups.count, only_of=only_of)
    if wanted.order_id is None:
        page = _page(partial(tables.lookups.find, wanted, only_of=only_of), partial(count, wanted), asked)
        checked = tables.projections.checked(tables.record.with_history(page.items))
        page = replace(page, items=[each for each, _ in checked])
        by_row = tuple(each for _, each in checked)
        sizes = tables.requests.sizes(each.id for each in page.items)
        return Found(page, scope, None, _only(checked), at, str(asked.zone), by_row, sizes)
    typed = wanted.order_id
    spellings = tables.lookups.spellings(typed, only_of=only_of)
    order_id = spellings[0] if len(spellings) == 1 else typed
    wanted = replace(wanted, order_id=order_id)
    story = _page(partial(tables.lookups.story, wanted, only_of=only_of), partial(count, wanted), asked)
    story = replace(story, items=[_readable(each, only_of) for each in story.items])
    about = tables.requests.of_order(order_id)
    checked = tables.projections.checked([each for each in about if only_of in {None, each.requester}])
    sizes = tables.requests.sizes(each.request for each in story.items)
    return Found(
        story,
        scope,
        order_id,
        _only(checked),
        at,
        str(asked.zone),
        sizes=sizes,
        typed=typed,
        spellings=tuple(spellings[:_MOST_SPELLINGS]) if len(spellings) > 1 else (),
        alone=replace(wanted, order_id=None) == Lookup(),
    )


def evidence(tables: Tables, actor: Actor, order_id: str, into: IO[bytes]) -> int:
    """Write the evidence for an order, as far as this person may read it; return how many events it has.

    Raises NoEvidence.
    """
    return write(tables, order_id, into, only_of=actor.id if policy.may_read(actor) is Scope.OWN else None)


def _only(checked: list[tuple[Request, Contradiction | None]]) -> tuple[Contradiction, ...]:
    return tuple(found for _, found in checked if found is not None)


def _readable(event: Event, only_of: str | None) -> Event:
    """Return an event without the words of another person's request for the same order, which was refused."""
    if event.kind == RequestRefused.kind and only_of not in {None, event.actor}:
        return event._replace(words=dict.fromkeys(RequestRefused.words, ""))
    return event


def _page(find: Callable[..., Page[T]], count: Callable[..., int], asked: Asked) -> Page[T]:
    """Return the page that is asked for, with its place among all that match.

    The page begins behind a row, not behind a number of rows, and what came after the first page was asked for is left
    out: so no row is shown twice or left out because others came or no longer match. Where that leaves nothing of the
    page, it is the nearest one.
    """
    span = Span(asked.newest, asked.older_than, asked.newer_than)
    page = find(span=span, limit=asked.limit)
    if not asked.counted:
        return page
    if span.newer_than is not None and len(page.items) < asked.limit:
        page = find(span=Span(asked.newest), limit=asked.limit)
    elif span.older_than is not None and not page.items:
        page = find(span=Span(asked.newest, last=True), limit=asked.limit)
    if not page.items:
        return page
    newest = asked.newest or find(limit=1).newer
    turned = asked.older_than is not None or asked.newer_than is not None
    before = count(span=Span(newest, newer_than=page.newer)) if turned else 0
    total = count(span=Span(newest))
    newer = page.newer if before else None
    return replace(page, newest=newest, newer=newer, before=before, total=total)


def _wanted(tables: Tables, rules: Rules, actor: Actor, asked: Asked, at: datetime) -> Lookup:
    def parse(text: str) -> Lookup:
        return lookup.parse(
            text,
            order_id_pattern=rules.order_id_pattern,
            now=at,
            me=actor.id,
            zone=asked.zone,
            reasons=rules.reasons,
        )

    try:
        return parse(asked.text)
    except NotAFilter as error:
        # Slack makes no mention of somebody who left; their name is on file if they ever did something here.
        if error.mistake is not Mistake.NOBODY or (user_id := tables.people.id_of(error.word[1:])) is None:
            raise
        return parse(asked.text.replace(error.word, f"@{user_id}"))
