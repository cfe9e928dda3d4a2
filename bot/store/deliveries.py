"""The outbox: everything owed to Slack, kept in the transaction that makes it owed.

The file is long because one table has all steps of a delivery, from the event that owes it to its place in Slack.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from bot.domain.audit import Event, timestamp
from bot.domain.delivery import MESSAGE_GONE, Delivery, DeliveryKind, DeliveryOutcome, Original, Receipt
from bot.domain.request import Request
from bot.store.connection import Connection, Row, among

_BETWEEN_UPDATES = timedelta(seconds=1)
"""Many orders end within moments, and Slack takes about one update of a message a second."""
_IS_GONE = (
    f"SELECT status = 'abandoned' AND problem = '{MESSAGE_GONE}' FROM deliveries"
    " WHERE number = :number AND kind = 'receipt_update' AND status IN ('abandoned', 'delivered')"
    " ORDER BY position DESC LIMIT 1"
)
"""The last update of the receipt did not find it."""
IS_QUEUED = "status || '' = 'queued'"
"""A queued one of a request. Not in the words of the indexes over all that are queued: with statistics of a time when
nothing waited, PostgreSQL would walk through everything that waits.
"""
_IS_UPDATE = "{}.kind IN ('card_update', 'receipt_update')"
IS_LATE = f"(d.kind = 'copies' OR {_IS_UPDATE.format('d')} AND d.tries = 0 AND d.last_try_at IS NOT NULL)"
"""It waits until Slack has carried out what it once took."""
_RECEIPT_WAITS = "(kind = 'receipt' AND status = 'queued' AND in_doubt_since IS NULL)"


class Deliveries:
    """The table ``deliveries``. A row is queued, then delivered, abandoned or called off.

    ``lease_until`` is set while it is claimed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def enqueue(
        self,
        request: Request,
        kind: DeliveryKind,
        event: Event,
        at: datetime,
        *,
        due_at: datetime | None = None,
        seen: bool = False,
        late: timedelta | None = None,
    ) -> None:
        """Owe Slack a message, now or from ``due_at`` on.

        A card or an update that is due and that no worker has begun serves all changes until then. A receipt is not
        updated before it is posted: what an update would tell, it tells itself, and does not wait for its card any
        more. Nor is it updated after Slack refused it for good, nor after it was gone: somebody deleted it.
        ``seen`` is true where somebody has just clicked it. With ``late``, only an update serves that comes so much
        later, as Slack may undo what comes before that. With several orders, an update waits until a second after the
        last one.
        """
        if late is not None:
            due_at = at + late
        due_at = due_at or at
        if kind.is_update and (last := self._last_drawn(request, kind)) is not None:
            # A time of a clock that was ahead counts for a second at most.
            due_at = max(due_at, min(last, at) + _BETWEEN_UPDATES)
        once = ""
        if kind is DeliveryKind.CARD or kind.is_update:
            once = (
                " WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE number = :number AND kind = :kind"
                f" AND {IS_QUEUED} AND lease_until IS NULL AND due_at {'<=' if late is None else '>='} :due_at)"
            )
        if kind is DeliveryKind.RECEIPT_UPDATE:
            once += (
                " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE number = :number AND"
                f" ({_RECEIPT_WAITS} OR (kind = 'receipt' AND status = 'abandoned')))"
            )
            once += "" if seen else f" AND NOT coalesce(({_IS_GONE}), FALSE)"
            self._connection.execute(
                f"UPDATE deliveries SET due_at = :at WHERE number = :number AND kind = 'receipt' AND {IS_QUEUED}"
                # After a try it is Slack that the receipt waits for.
                " AND tries = 0 AND due_at > :at",
                {"number": request.number, "at": timestamp(at)},
            )
        self._connection.execute(
            "INSERT INTO deliveries (id, number, kind, event_seq, target, enqueued_at, due_at, last_try_at)"
            f" SELECT :id, :number, :kind, :event_seq, :target, :at, :due_at, :after{once}",
            {
                "id": secrets.token_hex(16),
                "number": request.number,
                "kind": kind,
                "event_seq": event.seq,
                "target": request.requester if kind.to_requester else request.card_channel,
                "at": timestamp(at),
                "due_at": timestamp(due_at),
                # A try of the update before it, which Slack may carry out until then.
                "after": timestamp(at) if late is not None else None,
            },
        )

    def _last_drawn(self, request: Request, kind: DeliveryKind) -> datetime | None:
        """Return when the newest update of a request with several orders was drawn; None for one with a single order.

        The time at which Slack took it, or at which its first try began, is near enough.
        """
        rows = self._connection.execute(
            "SELECT max(coalesce(in_doubt_since, done_at)) FROM deliveries WHERE number = :number AND kind = :kind"
            " AND EXISTS (SELECT 1 FROM cancellations WHERE request = :number LIMIT 1 OFFSET 1)",
            {"number": request.number, "kind": kind},
        )
        return datetime.fromisoformat(rows[0][0]) if rows[0][0] else None

    def enqueue_apart(self, kind: DeliveryKind, seq: int, target: str, at: datetime) -> None:
        """Owe a channel or a person what is about no request: what the event with this number says."""
        self._connection.execute(
            "INSERT INTO deliveries (id, kind, event_seq, target, enqueued_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
            (secrets.token_hex(16), kind, seq, target, timestamp(at), timestamp(at)),
        )

    def is_known(self, delivery_id: str) -> bool:
        """Return True where a message of this id was ever owed."""
        return bool(self._connection.execute("SELECT 1 FROM deliveries WHERE id = ? LIMIT 1", (delivery_id,)))

    def announced_to(self) -> set[str]:
        """Return the channels to which an announcement is still owed."""
        sql = "SELECT DISTINCT target FROM deliveries WHERE number IS NULL AND status = 'queued' AND kind = ?"
        return {target for (target,) in self._connection.execute(sql, (DeliveryKind.ANNOUNCEMENT,))}

    def is_overtaken(self, announcement: Delivery) -> bool:
        """Return True where a newer announcement to this channel was posted, or may have been, by another bot."""
        sql = (
            "SELECT 1 FROM deliveries WHERE number IS NULL AND kind = ? AND target = ? AND event_seq > ? AND tries > 0"
            " AND status <> 'called_off' LIMIT 1"
        )
        values = (DeliveryKind.ANNOUNCEMENT, announcement.target, announcement.event_seq)
        return bool(self._connection.execute(sql, values))

    def digests_for_others(self, channel: str, *, refused: bool, in_doubt: bool) -> list[tuple[int, int]]:
        """Return the positions and events of the digests that are owed to another channel and in nobody's hands.

        Those of which people have heard that they are ``refused``, or all; also those ``in_doubt``, or none of them.
        """
        rows = self._connection.execute(
            "SELECT position, event_seq FROM deliveries WHERE status = 'queued' AND kind = ? AND target <> ?"
            " AND lease_until IS NULL AND (told_at IS NOT NULL OR ?) AND (in_doubt_since IS NULL OR ?)"
            " ORDER BY position",
            (DeliveryKind.DIGEST, channel, not refused, in_doubt),
        )
        return [(position, seq) for position, seq in rows]

    def digest_was_for(self, seq: int, channel: str) -> bool:
        """Return True where the digest of this event is or was owed to this channel."""
        sql = "SELECT 1 FROM deliveries WHERE number IS NULL AND event_seq = ? AND target = ?"
        return bool(self._connection.execute(sql, (seq, channel)))

    def claim(
        self,
        worker: str,
        now: datetime,
        lease: timedelta,
        *,
        not_to: Collection[str] = frozenset(),
        held: Collection[int] = frozenset(),
        on_time: bool = True,
    ) -> Delivery | None:
        """Claim the earliest delivery that is due, and note that Slack may get it from now on.

        Deliveries of one thread go out in the order in which they were enqueued, one at a time; a card's thread and the
        direct messages do not wait for each other. ``not_to`` are channels and people that must not get new messages
        now; ``held`` are the positions that the asking worker has in hand, however late it is with them. Where it is
        not ``on_time``, its clock is wrong, and what waits until Slack is ready is left to others.
        """
        # What Slack refuses again and again must not take every turn of its channel from what is new.
        which = "" if on_time else f" AND NOT {IS_LATE}"
        news, refused = f"d.tries < 3{which}", f"d.tries >= 3{which}"
        rows = self._due(now, news, not_to, held) or self._due(now, refused, not_to, held)
        if not rows:
            return None
        position, delivery_id, request_id, kind, seq, target, enqueued_at, tries, doubt, last_try = rows[0]
        self._connection.execute(
            "UPDATE deliveries SET claimed_by = ?, lease_until = ?, tries = ?, in_doubt_since = ?, last_try_at = ?,"
            # It shows everything up to this event.
            " drawn_seq = (SELECT max(seq) FROM audit_events) WHERE position = ?",
            (worker, timestamp(now + lease), tries, doubt or timestamp(now), timestamp(now), position),
        )
        return Delivery(
            position=position,
            id=delivery_id,
            request_id=request_id,
            kind=DeliveryKind(kind),
            event_seq=seq,
            target=target,
            enqueued_at=datetime.fromisoformat(enqueued_at),
            tries=tries,
            in_doubt_since=datetime.fromisoformat(doubt) if doubt else None,
            last_try_at=datetime.fromisoformat(last_try) if last_try else None,
        )

    def _due(self, now: datetime, which: str, not_to: Collection[str], held: Collection[int]) -> list[Row]:
        return self._connection.execute(
            "SELECT d.position, d.id, coalesce(r.id, ''), d.kind, d.event_seq, d.target, d.enqueued_at, d.tries + 1,"
            " d.in_doubt_since, d.last_try_at FROM deliveries d LEFT JOIN requests r ON r.number = d.number"
            # There may be very many for one target that must not get a message now, so that comes first. Slack's limits
            # are for each method, so an update goes out all the same.
            f" WHERE d.status = 'queued' AND (NOT {among('d.target', len(not_to))}"
            f"   OR {_IS_UPDATE.format('d')}) AND {which}"
            f"  AND d.due_at <= ? AND (d.lease_until IS NULL OR d.lease_until <= ?)"
            f"  AND NOT {among('d.position', len(held))}"
            "  AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.number = d.number AND e.status = 'queued'"
            # What belongs below a card waits for it, also where it is posted again.
            "   AND e.lane = d.lane AND e.position <> d.position AND NOT (d.kind = 'card' AND e.kind = 'reply')"
            "   AND (e.position < d.position OR (d.kind = 'reply' AND e.kind = 'card'))"
            # An update serves all changes. So nothing waits for one that nobody has begun, and a result waits for none.
            f"   AND NOT ({_IS_UPDATE.format('e')} AND (e.tries = 0"
            "    OR d.kind IN ('reply', 'direct_message'))"
            # But nobody is asked to decide on a card before the bot has seen that it is there.
            "    AND NOT (d.kind = 'reply' AND r.due_at IS NOT NULL AND e.tries <= 1"
            "     AND (e.lease_until IS NOT NULL OR e.due_at <= ?)))"
            # Slack may refuse all messages in a thread and take every update of its card.
            f"   AND NOT ({_IS_UPDATE.format('d')} AND e.kind IN ('reply', 'direct_message'))"
            "   AND e.kind <> 'copies'"
            # A receipt that Slack refuses holds up no result.
            "   AND NOT (e.kind = 'receipt' AND e.tries > 0 AND d.kind = 'direct_message'))"
            " ORDER BY d.position LIMIT 1",
            (*not_to, timestamp(now), timestamp(now), *held, timestamp(now)),
        )

    def settle(self, delivery: Delivery, receipt: Receipt, at: datetime) -> bool:
        """Compare and set: keep where the message is in Slack, or that it was abandoned.

        Return False, with nothing changed, for the receipt of an older try. The first message that reached Slack
        counts, whichever try it was; a later one is somebody's duplicate.
        """
        delivered = receipt.outcome is DeliveryOutcome.DELIVERED
        settled = self._connection.execute(
            "UPDATE deliveries SET status = ?, done_at = ?, channel = ?, ts = ?, problem = ?,"
            " claimed_by = NULL, lease_until = NULL, in_doubt_since = NULL"
            " WHERE position = ? AND status = 'queued' AND (tries = ? OR ?) RETURNING position",
            (
                "delivered" if delivered else "abandoned",
                timestamp(at),
                receipt.channel,
                receipt.ts,
                receipt.problem,
                delivery.position,
                delivery.tries,
                delivered,
            ),
        )
        return bool(settled)

    def drawn_since(self, request: Request, seq: int) -> bool:
        """Return True where a message of this request was drawn after the event with this number, or will be."""
        sql = f"SELECT 1 FROM deliveries WHERE number = ? AND (drawn_seq >= ? OR {IS_QUEUED}) LIMIT 1"
        return bool(self._connection.execute(sql, (request.number, seq)))

    def doubt_all(self, at: datetime) -> None:
        """Take every message that is still owed for one that may be in Slack, since it was first owed and until now.

        In an older copy nobody knows what has been posted since; so each of them is looked for before it is posted.
        """
        self._connection.execute(
            "UPDATE deliveries SET in_doubt_since = coalesce(in_doubt_since, enqueued_at), last_try_at = ?"
            f" WHERE {IS_QUEUED} AND kind <> ? AND NOT {_IS_UPDATE.format('deliveries')}",
            (timestamp(at), DeliveryKind.COPIES),
        )

    def call_off(self, position: int, at: datetime) -> None:
        """Keep that the delivery at this position is of no use any more, so that nobody tries it again."""
        self._connection.execute(
            "UPDATE deliveries SET status = 'called_off', done_at = ?, claimed_by = NULL, lease_until = NULL,"
            " in_doubt_since = NULL WHERE position = ? AND status = 'queued'",
            (timestamp(at), position),
        )

    def postpone(self, delivery: Delivery, receipt: Receipt, due_at: datetime) -> bool:
        """Try this delivery again at that time; a message that is certainly not in Slack is no longer in doubt.

        Return False, with nothing changed, for the receipt of an older try.
        """
        before = delivery.last_try_at
        postponed = self._connection.execute(
            "UPDATE deliveries SET due_at = ?, claimed_by = NULL, lease_until = NULL, problem = ?,"
            " in_doubt_since = CASE WHEN ? THEN in_doubt_since END,"
            " last_try_at = CASE WHEN ? THEN ? ELSE last_try_at END"
            " WHERE position = ? AND status = 'queued' AND tries = ? RETURNING position",
            (
                timestamp(due_at),
                receipt.problem,
                receipt.in_doubt,
                receipt.posted_nothing,
                before and timestamp(before),
                delivery.position,
                delivery.tries,
            ),
        )
        return bool(postponed)

    def enqueue_copies(self, position: int, since: datetime, at: datetime, late: timedelta) -> None:
        """Owe a look for copies of this message, which was posted between ``since`` and now, so much later."""
        self._connection.execute(
            "INSERT INTO deliveries (id, number, kind, event_seq, target, enqueued_at, due_at, in_doubt_since,"
            " last_try_at) SELECT id, number, ?, event_seq, target, ?, ?, ?, ? FROM deliveries WHERE position = ?",
            (
                DeliveryKind.COPIES,
                timestamp(at),
                timestamp(at + late),
                timestamp(since),
                timestamp(at),
                position,
            ),
        )

    def original(self, copies: Delivery) -> Original:
        """Return the message whose copies these are."""
        of_request = "number = (SELECT number FROM deliveries WHERE position = :position)"
        rows = self._connection.execute(
            f"SELECT kind, channel, ts FROM deliveries WHERE {of_request if copies.request_id else 'number IS NULL'}"
            " AND id = :id AND kind <> :copies",
            {"position": copies.position, "id": copies.id, "copies": DeliveryKind.COPIES},
        )
        ((kind, channel, ts),) = rows
        return Original(DeliveryKind(kind), channel, ts)

    def tell(self, delivery: Delivery, at: datetime) -> bool:
        """Keep that people heard of this delivery's trouble; return False if they had heard of it before."""
        told = self._connection.execute(
            "UPDATE deliveries SET told_at = ? WHERE position = ? AND told_at IS NULL RETURNING position",
            (timestamp(at), delivery.position),
        )
        return bool(told)

    def settle_seen(
        self, request: Request, kind: DeliveryKind, receipt: Receipt, at: datetime
    ) -> list[tuple[int, datetime]]:
        """Keep where a card or receipt is in Slack whose delivery was still in doubt.

        Return its position and the time since when it was in doubt; nothing if none is owed.
        """
        owed = self._connection.execute(
            "SELECT position, in_doubt_since FROM deliveries WHERE number = ? AND kind = ? AND status = 'queued'",
            (request.number, kind),
        )
        self._connection.execute(
            "UPDATE deliveries SET status = 'delivered', done_at = ?, channel = ?, ts = ?, claimed_by = NULL,"
            " lease_until = NULL, in_doubt_since = NULL WHERE number = ? AND kind = ? AND status = 'queued'",
            (timestamp(at), receipt.channel, receipt.ts, request.number, kind),
        )
        return [(position, datetime.fromisoformat(since) if since else at) for position, since in owed]

    def receipt_waits(self, request: Request) -> bool:
        """Return True where the receipt is owed and certainly not in Slack yet, so that it tells what is so then."""
        sql = f"SELECT 1 FROM deliveries WHERE number = ? AND {_RECEIPT_WAITS}"
        return bool(self._connection.execute(sql, (request.number,)))

    def receipt_place(self, request: Request) -> tuple[str, str] | None:
        """Return the channel and timestamp of the receipt, or None where none is in Slack as far as is known."""
        sql = "SELECT channel, ts FROM deliveries WHERE number = ? AND kind = 'receipt' AND status = 'delivered'"
        rows = self._connection.execute(sql, (request.number,))
        return (rows[0][0], rows[0][1]) if rows else None

    def owes(self, request: Request, kind: DeliveryKind) -> bool:
        """Return True where something of this kind is queued for this request."""
        sql = "SELECT 1 FROM deliveries WHERE number = ? AND kind = ? AND status = 'queued' LIMIT 1"
        return bool(self._connection.execute(sql, (request.number, kind)))

    def refused(self, request: Request, kind: DeliveryKind) -> bool:
        """Return True where something of this kind is queued for this request of whose trouble people have heard."""
        queued = "SELECT 1 FROM deliveries WHERE number = ? AND kind = ? AND status = 'queued'"
        sql = f"{queued} AND told_at IS NOT NULL LIMIT 1"
        return bool(self._connection.execute(sql, (request.number, kind)))

    def told(self, delivery: Delivery) -> bool:
        """Return True where people have heard of this delivery's trouble."""
        sql = "SELECT 1 FROM deliveries WHERE position = ? AND told_at IS NOT NULL"
        return bool(self._connection.execute(sql, (delivery.position,)))

    def place(self, delivery: Delivery) -> tuple[str, str]:
        """Return the channel and timestamp of the message that is on file for this delivery; empty if there is none."""
        sql = "SELECT channel, ts FROM deliveries WHERE position = ?"
        ((channel, ts),) = self._connection.execute(sql, (delivery.position,))
        return channel, ts

    def called_off(self, delivery: Delivery) -> bool:
        """Return True where this delivery was called off."""
        sql = "SELECT 1 FROM deliveries WHERE position = ? AND status = 'called_off'"
        return bool(self._connection.execute(sql, (delivery.position,)))

    def stuck(self, tries: int) -> list[tuple[str, int]]:
        """Return what keeps deliveries from Slack after so many tries, and how many of them: pairs, the most first.

        A look for copies keeps nobody waiting.
        """
        rows = self._connection.execute(
            "SELECT problem, count(*) FROM deliveries WHERE status = 'queued' AND tries >= ? AND problem <> ''"
            " AND kind <> ? GROUP BY problem ORDER BY 2 DESC, 1",
            (tries, DeliveryKind.COPIES),
        )
        return [(str(problem), int(count)) for problem, count in rows]

    def abandon_thread(self, request: Request, at: datetime) -> None:
        """Abandon the card, and with it everything that would be on it or below it.

        A look for copies goes on: it may be about the receipt, and what is there twice has buttons.
        """
        self._connection.execute(
            "UPDATE deliveries SET status = 'abandoned', done_at = ?, claimed_by = NULL, lease_until = NULL,"
            # What happened up to this event will not be shown.
            " drawn_seq = (SELECT max(seq) FROM audit_events)"
            " WHERE number = ? AND lane = 'card' AND status = 'queued' AND kind <> ?",
            (timestamp(at), request.number, DeliveryKind.COPIES),
        )

    def give_back(self, worker: str, due_at: datetime) -> None:
        """Make what this worker holds due at that time."""
        self._connection.execute(
            "UPDATE deliveries SET due_at = ?, claimed_by = NULL, lease_until = NULL"
            " WHERE status = 'queued' AND lease_until IS NOT NULL AND claimed_by = ?",
            (timestamp(due_at), worker),
        )

    def end_leases(self, due_at: datetime) -> None:
        """Make everything that a worker holds due at that time."""
        self._connection.execute(
            "UPDATE deliveries SET due_at = ?, claimed_by = NULL, lease_until = NULL"
            " WHERE status = 'queued' AND lease_until IS NOT NULL",
            (timestamp(due_at),),
        )
