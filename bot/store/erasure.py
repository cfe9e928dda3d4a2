"""Erasing the words that people typed, so that the record still verifies."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain import policy
from bot.domain.attempt import Answer
from bot.domain.audit import timestamp
from bot.domain.cancellation import OPEN, Choice
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    Answered,
    Erased,
    Named,
    Rejected,
    Requested,
    SettledCancelled,
    SettledNotCancelled,
)
from bot.domain.request import Request
from bot.domain.seal import PrivateKey
from bot.domain.words import ERASED
from bot.store.engine import engine_of
from bot.store.place import Place
from bot.store.requests import WITHOUT_WORDS
from bot.store.schema import IS_IN_FORCE, one_of
from bot.store.store import open_beside
from bot.store.tables import Tables

_AT_A_TIME = 500
ALL_AT_ONCE = 2**62
_IS_OPEN = f"EXISTS (SELECT 1 FROM cancellations c WHERE c.request = r.number AND {one_of('c.state', OPEN)})"
"""True while one of the orders of a request ``r`` is open."""
_ASKED_BEFORE = "(SELECT coalesce(max(l.seq), 0) FROM audit_events l WHERE l.kind = 'requested' AND l.at < :before)"
"""The last request of an earlier time. Nobody can ask while the clock is known to be wrong, but people can freeze."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """The words to erase: those about an order, those typed by or for a person, or those older than a time.

    For a person these are their own words, their names, and the gateway's answers to their requests.
    """

    order_id: str | None = None
    person: str | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The result of an erasure: how many texts are gone, and how many requests kept theirs because they are open.

    ``from_log`` is False where the log beside the file could not be emptied because somebody was reading; then the
    pages of the file may hold the texts as well.
    """

    texts: int
    still_open: int
    from_log: bool = True
    spellings: Sequence[str] = ()
    """The orders on record that differ from the one that was given in case only, where none is on record as it is."""
    freeze_stays: bool = False
    """True where the reason of the freeze in force would have gone as well; people go by it."""


def erase_from(
    place: Place,
    erasure: Erasure,
    why: str,
    actor: str,
    now: Callable[[], datetime],
    *,
    key: PrivateKey | None = None,
) -> Gone:
    """Erase words from a bot's database, also while bots run, and put that on record. Raises StoreError.

    Afterwards they are on no page of a file, and not in the log beside it. A server keeps what was deleted until it
    tidies up, and in its own backups. ``now`` is asked once nobody else writes: no event of a bot comes between.
    """
    with open_beside(place, key) as tx:
        gone = erase(tx, erasure, why, actor, tx.now(now))
    engine = engine_of(place)
    with engine.explained(), closing(engine.open_beside()) as connection:
        return replace(gone, from_log=connection.checkpoint())


def erase(tx: Tables, erasure: Erasure, why: str, actor: str, at: datetime, *, at_most: int = ALL_AT_ONCE) -> Gone:
    """Erase the words and put that on record, inside one transaction: those of ``at_most`` so many events.

    The words of an open request stay: the gateway is called with exactly the reason that was approved.
    """
    count = 0
    for request_id, seqs in _found(tx, erasure, at_most):
        request = tx.requests.get(request_id) if request_id else None
        count += _forget(tx, seqs)
        event = tx.record.append(Erased(tuple(seqs), why), actor, at, request)
        if request is not None:
            _blank(tx, request)
            if policy.retryable(request.as_of(at, None)):
                # Without the reason that was approved nobody can retry it, and both messages offer that.
                for kind in (DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE):
                    tx.deliveries.enqueue(request, kind, event, at)
    if count:
        # A name stays only while its event has it.
        tx.connection.execute(
            "DELETE FROM people WHERE id NOT IN (SELECT e.actor FROM audit_events e JOIN words w ON w.seq = e.seq"
            " WHERE e.request = '' AND e.kind = ?)",
            (Named.kind,),
        )
    where, values = _where(erasure)
    ((still_open,),) = tx.connection.execute(
        f"SELECT count(DISTINCT r.id) FROM words w JOIN audit_events e ON e.seq = w.seq"
        f" JOIN requests r ON r.id = e.request WHERE {_IS_OPEN} AND {where}",
        values,
    )
    spellings = tx.lookups.spellings(erasure.order_id) if erasure.order_id is not None else []
    kept = tx.connection.execute(
        "SELECT 1 FROM words w JOIN audit_events e ON e.seq = w.seq LEFT JOIN requests r ON r.id = e.request"
        f" WHERE {IS_IN_FORCE} AND {where} LIMIT 1",
        values,
    )
    others = [each for each in spellings if each != erasure.order_id]
    return Gone(count, int(still_open), spellings=others, freeze_stays=bool(kept))


def _where(erasure: Erasure) -> tuple[str, dict[str, object]]:
    """Return the condition on words ``w``, their event ``e``, and its request ``r``, which may be missing."""
    if erasure.order_id is not None:
        # The words about a whole request are about each of its orders; the gateway may repeat them for any of these.
        where = (
            "(e.order_id = :order_id OR (w.field = 'asked_for' AND w.text = :order_id)"
            " OR ((e.order_id = '' OR e.actor = 'bot') AND EXISTS"
            " (SELECT 1 FROM cancellations o WHERE o.request = r.number AND o.order_id = :order_id)))"
        )
        return where, {"order_id": erasure.order_id}
    if erasure.person is not None:
        # The bot reports the answers of the gateway, which may repeat the person's reason.
        return "(e.actor = :person OR (r.requester = :person AND e.actor = 'bot'))", {"person": erasure.person}
    assert erasure.before is not None
    # A wrong clock may have written the time. What was said about a request is not older than it, and what was said
    # about none is older than the next one.
    old = f"CASE WHEN r.id IS NULL THEN e.seq < {_ASKED_BEFORE} ELSE r.requested_at < :before END"
    return f"e.at < :before AND {old}", {"before": timestamp(erasure.before)}


def _found(tx: Tables, erasure: Erasure, at_most: int) -> Iterable[tuple[str, list[int]]]:
    """Return the events that have such words, by their request; those about none come under an empty id."""
    where, values = _where(erasure)
    rows = tx.connection.execute(
        "SELECT DISTINCT e.request, e.seq FROM words w JOIN audit_events e ON e.seq = w.seq"
        " LEFT JOIN requests r ON r.id = e.request"
        f" WHERE (r.id IS NULL OR NOT {_IS_OPEN}) AND {where} AND NOT {IS_IN_FORCE} ORDER BY e.request, e.seq"
        " LIMIT :at_most",
        values | {"at_most": at_most},
    )
    found: dict[str, list[int]] = {}
    for request_id, seq in rows:
        found.setdefault(request_id, []).append(seq)
    return found.items()


def _forget(tx: Tables, seqs: list[int]) -> int:
    count = 0
    for start in range(0, len(seqs), _AT_A_TIME):
        some = seqs[start : start + _AT_A_TIME]
        count += len(
            tx.connection.execute(f"DELETE FROM words WHERE seq IN ({', '.join('?' * len(some))}) RETURNING seq", some)
        )
    return count


def _blank(tx: Tables, request: Request) -> None:
    """Put the mark of erased words into the tables wherever the events no longer have the text."""
    number = request.number
    answers: dict[tuple[str, int], Answer] = {}
    for event in tx.record.about(request.id):
        match event.content:
            case Requested(reason=reason) if reason == ERASED:
                # Behind its own id the name of the form has a hash of the words, without a salt.
                ((form_id,),) = tx.connection.execute("SELECT form_id FROM requests WHERE number = ?", (number,))
                form = f"{form_id.partition(':')[0]}{WITHOUT_WORDS}{request.id}"
                sql = "UPDATE requests SET reason = ?, form_id = ? WHERE number = ?"
                tx.connection.execute(sql, (ERASED, form, number))
            case Rejected(reason=reason) if reason == ERASED:
                _blank_decision(tx, number, event.actor, Choice.REJECT, "")
            case SettledCancelled(how=how) | SettledNotCancelled(how=how) if how == ERASED:
                _blank_decision(tx, number, event.actor, Choice.SETTLE, event.order_id)
            case Answered(call=call, answer=answer):
                answers[event.order_id, call] = answer
    for order in request.cancellations:
        rows = tx.connection.execute("SELECT id FROM attempts WHERE number = ? ORDER BY id", (order.number,))
        for call, (attempt,) in enumerate(rows, 1):
            if (said := answers.get((order.order_id, call))) is not None:
                sql = "UPDATE attempts SET message = ?, code = ? WHERE id = ?"
                tx.connection.execute(sql, (said.message, said.code, attempt))


def _blank_decision(tx: Tables, number: int, approver: str, choice: Choice, order_id: str) -> None:
    sql = "UPDATE decisions SET reason = ? WHERE number = ? AND approver = ? AND choice = ? AND order_id = ?"
    tx.connection.execute(sql, (ERASED, number, approver, choice, order_id))
