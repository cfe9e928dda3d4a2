"""Reading the record, and the rights to read it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from bot.domain import lookup, policy
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.lookup import Lookup, Mistake, NotAFilter
from bot.domain.policy import Actor, Scope
from bot.domain.projection import Contradiction
from bot.store import Page, Tables
from bot.workflow.rules import Rules


class MayNotRead(Exception):
    """The person asked for the requests of others without being an approver or auditor."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A look-up as somebody typed it, with their time zone and the page that they want."""

    text: str
    zone: tzinfo = UTC
    older_than: str | None = None
    limit: int = 10


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer: cancellations, or the events of the story of the order named.

    ``contradictions`` is how the tables contradict the record there; the page shows what the record says.
    """

    page: Page[Cancellation] | Page[Event]
    scope: Scope
    order_id: str | None
    contradictions: tuple[Contradiction, ...] = ()


def look_up(tables: Tables, rules: Rules, actor: Actor, asked: Asked, at: datetime) -> Found:
    """Return one page of the answer: an order's whole story where an order is asked for, else cancellations.

    Raises NotAFilter or MayNotRead.
    """
    scope = policy.may_read(actor)
    wanted = _wanted(tables, rules, actor, asked, at)
    if scope is Scope.OWN and wanted.person not in {None, actor.id}:
        raise MayNotRead
    only_of = actor.id if scope is Scope.OWN else None
    if wanted.order_id is None:
        page = tables.lookups.find(wanted, only_of=only_of, older_than=asked.older_than, limit=asked.limit)
        checked = tables.projections.checked(page.items)
        page = replace(page, items=[each for each, _ in checked])
        return Found(page, scope, None, tuple(found for _, found in checked if found is not None))
    wanted = replace(wanted, order_id=tables.lookups.recorded_as(wanted.order_id, only_of=only_of))
    story = tables.lookups.story(wanted, only_of=only_of, older_than=asked.older_than, limit=asked.limit)
    about = tables.cancellations.of_order(wanted.order_id) if wanted.order_id is not None else []
    checked = tables.projections.checked([each for each in about if only_of in {None, each.requester}])
    return Found(story, scope, wanted.order_id, tuple(found for _, found in checked if found is not None))


def _wanted(tables: Tables, rules: Rules, actor: Actor, asked: Asked, at: datetime) -> Lookup:
    def parse(text: str) -> Lookup:
        return lookup.parse(text, order_id_pattern=rules.order_id_pattern, now=at, me=actor.id, zone=asked.zone)

    try:
        return parse(asked.text)
    except NotAFilter as error:
        # Slack makes no mention of somebody who left; their name is on file if they ever did something here.
        if error.mistake is not Mistake.NOBODY or (user_id := tables.people.id_of(error.word[1:])) is None:
            raise
        return parse(asked.text.replace(error.word, f"@{user_id}"))
