"""The model: acts on one request, and what must become of its order ord_1, without any of the bot's own code."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.cancellation import State
from bot.domain.policy import Members, Membership, Surface
from tests.world import ANN, BEN, CLEO, DORA, World

LOST = Answer(Outcome.UNKNOWN, repeat=True)
ANSWERS = {
    "confirmed": Answer(Outcome.CANCELLED, http_status=200),
    "completed": Answer(Outcome.REFUSED, http_status=422, reason=Reason.COMPLETED),
    "cancelled before": Answer(Outcome.REFUSED, http_status=409, reason=Reason.ALREADY_CANCELLED),
    "no such order": Answer(Outcome.REFUSED, http_status=404, reason=Reason.NO_SUCH_ORDER),
    "busy": Answer(Outcome.NOT_SENT, http_status=503, repeat=True),
    "denied": Answer(Outcome.NOT_SENT, http_status=401, reason=Reason.CREDENTIALS),
    "lost": LOST,
}
_OPEN = {"pending", "approved", "sending", "unknown"}
_MAY_STILL_BE_CONFIRMED = {"approved", "sending", "unknown", "refused", "settled_cancelled", "settled_not_cancelled"}
_HOUR, _LEASE, _MOMENT = 60, 2, 0.02
"""Minutes."""


@dataclass
class Expected:
    """The state that one request of Ann's must be in after each act; times are minutes since it was made."""

    state: str = "pending"
    now: float = 0
    quorum: int = 1
    """Today's quorum, whatever it was when the request was made."""
    self_approval: bool = False
    approvers: set[str] = field(default_factory=lambda: {ANN, BEN, CLEO})
    votes: dict[str, float] = field(default_factory=dict)
    """The time of each vote that counted."""
    counted_with: int = 1
    """The quorum that the request shows."""
    reminded: int = 0
    remind_at: float | None = 20
    escalate_at: float = 25
    escalated: bool = False
    """Dora may decide as well."""
    attempts: int = 0
    calls: list[str] = field(default_factory=list)
    """For each call that was made: "open", or the answer that was kept."""
    due_at: float = 0
    lease_until: float = 0
    other_expires: float | None = None
    """When the second request for the same order expires; None while there is none that is open."""
    against: bool = False
    """Somebody decided against the second request."""
    taken_back: bool = False
    """Ann stopped it, so that nobody asks for it any more."""
    frozen: bool = False

    def copy(self) -> "Expected":
        """Return a copy of its own."""
        return replace(self, approvers=set(self.approvers), votes=dict(self.votes), calls=list(self.calls))

    def act(self, act: str) -> None:
        """Follow one act of ``ACTS``."""
        name, _, by = act.partition(" by ")
        if name in _ON_THE_REQUEST and not (self.frozen and name == "ask again"):
            self._expire()
        if by:
            self._by_somebody(name, by)
        elif act in ANSWERS or act == "first call confirmed":
            if self.calls:
                first = act == "first call confirmed"
                self._answer(0 if first else len(self.calls) - 1, "confirmed" if first else act)
        else:
            self._by_itself(act)

    def _by_somebody(self, name: str, by: str) -> None:
        """Follow an act of Ann, Ben or Cleo."""
        person = {"Ann": ANN, "Ben": BEN, "Dora": DORA}.get(by, CLEO)
        approver = person in self._approvers() and by not in {"an outsider", "somebody unchecked"}
        others_known = not by.endswith("others unchecked")
        match name:
            case "approve" if approver:
                self._approve(person, others_known=others_known)
            case "reject" if approver and self.state == "pending":
                self.state = "rejected"
            case "withdraw" | "withdraw on the receipt" if person == ANN and self.state == "pending":
                self.state = "withdrawn"
            case "retry" if approver and person != ANN and self._may_retry(others_known=others_known):
                self._approved()
            case "try now" if approver and self._waits() and self.now < self.due_at:
                self.due_at = self.now
            case "stop" if (approver or person == ANN) and self._waits():
                self.state = "failed"
                self.taken_back = person == ANN
            case "settle as cancelled" | "settle as not cancelled" if approver and person != ANN:
                if self.state == "unknown":
                    self.state = name.replace("settle as", "settled").replace(" ", "_")
            case "ask again":
                self._ask_again()
            case "reject the other" | "withdraw the other":
                self._against_the_other()

    def _by_itself(self, act: str) -> None:
        """Follow time, the worker, and changes of the rules or of the approvers."""
        match act:
            case "an hour":
                self.now += _HOUR + 1
            case "half an hour":
                self.now += _HOUR / 2 + 1
            case "three minutes":
                self.now += 3
            case "work":
                self._work()
            case "remove Ben":
                self.approvers = {ANN, CLEO}
            case "quorum of one" | "quorum of one, not counted yet":
                self.quorum = 1
            case "quorum of two":
                self.quorum = 2
            case "freeze" | "unfreeze":
                self.frozen = act == "freeze"
            case "self-approval on" | "self-approval off":
                self.self_approval = act == "self-approval on"
        if act in _RESTARTS:
            self.lease_until = min(self.lease_until, self.now)
        if act in _RECOUNTS:
            self._recount(unread="unread" in act)

    def _recount(self, *, unread: bool) -> None:
        if self.state != "pending" or self.now >= _HOUR or self.frozen:
            return
        if unread:
            # No approver's vote can be checked, but one's own vote does not count whatever Slack says.
            self.votes = {each: at for each, at in self.votes.items() if each != ANN or self.self_approval}
            self.counted_with = self.quorum
            if DORA in self.votes and self.quorum == 1:
                self._approved()
        else:
            self._count()

    def _expire(self) -> None:
        if self.state == "pending" and self.now >= _HOUR:
            self.state = "expired"

    def _valid(self, *, others_known: bool = True) -> set[str]:
        """Return the people whose votes count by today's rules."""
        known = self._approvers() if others_known else {CLEO, DORA}
        return {each for each in self.votes if each in known and (each != ANN or self.self_approval)}

    def _approvers(self) -> set[str]:
        return self.approvers | ({DORA} if self.escalated else set())

    def _approve(self, person: str, *, others_known: bool) -> None:
        if self.state != "pending" or (person == ANN and not self.self_approval):
            return
        enough = len(self._valid(others_known=others_known)) >= self.quorum
        if (person in self.votes and not enough) or self.frozen:
            return
        if not others_known:
            perhaps = {each for each in self.votes if each != ANN or self.self_approval} | {person}
            sure = self._valid(others_known=False) | {person}
            if len(sure) < self.quorum <= len(perhaps):
                return
        promised = self.counted_with if len(self.votes) + 1 < self.counted_with else 0
        if self.quorum <= len(self._valid(others_known=others_known) | {person}) < promised:
            self.counted_with = self.quorum
            return
        self.votes.setdefault(person, self.now)
        self._count(others_known=others_known)

    def _count(self, *, others_known: bool = True) -> None:
        valid = self._valid(others_known=others_known)
        void = set(self.votes) - valid
        if not others_known:
            void = set() if self.self_approval else {ANN}
        self.votes = {each: at for each, at in self.votes.items() if each not in void}
        self.counted_with = self.quorum
        if len(valid) >= self.quorum:
            self._approved()

    def _approved(self) -> None:
        self.state, self.attempts, self.due_at = "approved", 0, self.now

    def _may_retry(self, *, others_known: bool) -> bool:
        return (
            self.state in {"failed", "unknown"}
            and not self.against
            and not self.taken_back
            and not self.frozen
            and self.now - max(self.votes.values()) <= _HOUR
            and len(self._valid(others_known=others_known)) >= self.quorum
            and (self.state == "unknown" or self.other_expires is None)
        )

    def _waits(self) -> bool:
        """Return True while it is approved and certainly nothing was done."""
        return self.state == "approved" and "lost" not in self.calls

    def _ask_again(self) -> None:
        if self.frozen:
            return
        if self.other_expires is not None and self.other_expires <= self.now:
            self.other_expires = None
        if self.state not in _OPEN and self.other_expires is None:
            self.other_expires = self.now + _HOUR

    def _against_the_other(self) -> None:
        if self.other_expires is not None:
            self.against |= self.now < self.other_expires
            self.other_expires = None

    def _work(self) -> None:
        self._expire()
        if self.other_expires is not None and self.other_expires <= self.now:
            self.other_expires = None
        if self.state == "pending" and not self.frozen:
            self._remind_and_escalate()
        if self.state == "sending" and self.lease_until <= self.now:
            self._answer(len(self.calls) - 1, "lost")
        if self.state == "approved" and self.due_at <= self.now and not self.frozen:
            self.state, self.lease_until = "sending", self.now + _LEASE
            self.attempts += 1
            self.calls.append("open")

    def _remind_and_escalate(self) -> None:
        self.escalated |= self.escalate_at <= self.now
        if self.remind_at is not None and self.remind_at <= self.now:
            self.reminded += 1
            # There are two reminders, 15 minutes apart.
            self.remind_at = self.now + 15 if self.reminded == 1 and self.now + 15 < _HOUR else None

    def _answer(self, call: int, answer: str) -> None:
        kept, before = self.calls[call], "lost" in self.calls
        if kept not in {"open", "lost"} or (kept == "lost" and answer != "confirmed"):
            return
        self.calls[call] = answer
        if self.state == "sending" and kept == "open":
            self._follow(answer, lost="lost" in self.calls, before=before)
        elif answer == "confirmed" and self.state in _MAY_STILL_BE_CONFIRMED:
            self.state = "cancelled"

    def _follow(self, answer: str, *, lost: bool, before: bool) -> None:
        match answer:
            case "confirmed":
                self.state = "cancelled"
            case "cancelled before":
                self.state = "cancelled" if before else "refused"
            case "completed":
                self.state = "refused"
            case "no such order":
                self.state = "unknown" if before else "refused"
            case "busy" | "lost" if self.attempts < 2:
                self.state, self.due_at = "approved", self.now + _MOMENT
            case _:
                self.state = "unknown" if lost else "failed"


def _answer_call(world: World, _: str, *, answer: Answer, call: int = -1) -> None:
    """Give a call this answer, again and again if that is asked for."""
    if world.outside.under_way:
        attempt = world.outside.under_way[call]
        if world.answer(attempt, answer) is State.CANCELLED:
            world.outside.cancelled.setdefault(attempt.order_id, attempt.request_id)


def _the_other(world: World, about: str, act: Callable[[str], object]) -> None:
    """Do this to the second request for the same order, if one is open."""
    other = world.tables.requests.open_of("ord_1")
    if other is not None and other.id != about:
        act(other.id)


def _remove_ben(world: World, _: str) -> None:
    world.outside.approvers = Members(frozenset({ANN, CLEO}))


def _restart(
    world: World, _: str, *, quorum: int | None = None, self_approval: bool | None = None, recount: bool = True
) -> None:
    world.restart(quorum=quorum, self_approval=self_approval)
    if recount:
        world.recount()


_ONLY_CLEO_KNOWN = Members(frozenset({CLEO}), complete=False)
OUTSIDER, UNCHECKED = Membership.OUTSIDER, Membership.UNCHECKED
ACTS: dict[str, Callable[[World, str], object]] = {
    "approve by Ben": lambda world, about: world.approve(about),
    "approve by Ann": lambda world, about: world.approve(about, ANN),
    "approve by Cleo": lambda world, about: world.approve(about, CLEO),
    "approve by Cleo, others unchecked": lambda world, about: world.approve(about, CLEO, None, _ONLY_CLEO_KNOWN),
    "approve by an outsider": lambda world, about: world.approve(about, CLEO, OUTSIDER),
    "approve by somebody unchecked": lambda world, about: world.approve(about, CLEO, UNCHECKED),
    "approve by Dora": lambda world, about: world.approve(about, DORA),
    "reject by Dora": lambda world, about: world.reject(about, DORA),
    "retry by Dora": lambda world, about: world.retry(about, DORA),
    "settle as cancelled by Dora": lambda world, about: world.settle(about, DORA, order="ord_1"),
    "reject by Ben": lambda world, about: world.reject(about),
    "reject by an outsider": lambda world, about: world.reject(about, CLEO, OUTSIDER),
    "withdraw by Ann": lambda world, about: world.withdraw(about),
    "withdraw by Ben": lambda world, about: world.withdraw(about, BEN),
    "withdraw on the receipt by Ann": lambda world, about: world.withdraw(about, surface=Surface.RECEIPT),
    "retry by Ben": lambda world, about: world.retry(about),
    "retry by Cleo": lambda world, about: world.retry(about, CLEO),
    "retry by Cleo, others unchecked": lambda world, about: world.retry(about, CLEO, None, _ONLY_CLEO_KNOWN),
    "retry by Ann": lambda world, about: world.retry(about, ANN),
    "retry by an outsider": lambda world, about: world.retry(about, CLEO, OUTSIDER),
    "try now by Ben": lambda world, about: world.try_now(about),
    "try now by Ann": lambda world, about: world.try_now(about, ANN),
    "try now by an outsider": lambda world, about: world.try_now(about, CLEO, OUTSIDER),
    "stop by Ben": lambda world, about: world.stop(about),
    "stop by Ann": lambda world, about: world.stop(about, ANN),
    "stop by an outsider": lambda world, about: world.stop(about, CLEO, OUTSIDER),
    "settle as cancelled by Ben": lambda world, about: world.settle(about, order="ord_1"),
    "settle as not cancelled by Cleo": lambda world, about: world.settle(about, CLEO, order="ord_1", cancelled=False),
    "settle as cancelled by Ann": lambda world, about: world.settle(about, ANN, order="ord_1"),
    "settle as cancelled by an outsider": lambda world, about: world.settle(about, CLEO, OUTSIDER, order="ord_1"),
    "ask again by Cleo": lambda world, _: world.ask(person=CLEO),
    "reject the other by Cleo": lambda world, about: _the_other(world, about, lambda it: world.reject(it, CLEO)),
    "withdraw the other by Cleo": lambda world, about: _the_other(world, about, lambda it: world.withdraw(it, CLEO)),
    "an hour": lambda world, _: world.clock.advance(minutes=_HOUR + 1),
    "half an hour": lambda world, _: world.clock.advance(minutes=_HOUR / 2 + 1),
    "three minutes": lambda world, _: world.clock.advance(minutes=3),
    "remove Ben": _remove_ben,
    "recount": lambda world, _: world.recount(),
    "recount, group unread": lambda world, _: world.recount(Members(complete=False)),
    "restart": partial(_restart, recount=False),
    "quorum of one": partial(_restart, quorum=1),
    "quorum of one, not counted yet": partial(_restart, quorum=1, recount=False),
    "quorum of two": partial(_restart, quorum=2),
    "self-approval on": partial(_restart, self_approval=True, recount=False),
    "self-approval off": partial(_restart, self_approval=False),
    "freeze": lambda world, _: world.freeze(),
    "unfreeze": lambda world, _: world.unfreeze(),
    "work": lambda world, _: world.work(),
    "first call confirmed": partial(_answer_call, answer=ANSWERS["confirmed"], call=0),
    **{name: partial(_answer_call, answer=answer) for name, answer in ANSWERS.items()},
}
_RESTARTS = {act for act in ACTS if act.startswith(("restart", "quorum", "self-approval"))}
_RECOUNTS = {
    act for act in ACTS if act.startswith(("recount", "quorum", "self-approval off")) and "not counted" not in act
}
_ON_THE_REQUEST = {
    "approve",
    "reject",
    "withdraw",
    "withdraw on the receipt",
    "retry",
    "try now",
    "stop",
    "settle as cancelled",
    "settle as not cancelled",
    "ask again",
}
"""The acts that end a request which is past its time."""
_UNKNOWN = ["approve by Ben", "work", "lost", "three minutes", "work", "lost"]
WAYS = {
    State.PENDING: [],
    State.APPROVED: ["approve by Ben"],
    State.SENDING: ["approve by Ben", "work"],
    State.CANCELLED: ["approve by Ben", "work", "confirmed"],
    State.REFUSED: ["approve by Ben", "work", "completed"],
    State.FAILED: ["approve by Ben", "work", "denied"],
    State.UNKNOWN: _UNKNOWN,
    State.REJECTED: ["reject by Ben"],
    State.WITHDRAWN: ["withdraw by Ann"],
    State.EXPIRED: ["an hour", "work"],
    State.SETTLED_CANCELLED: [*_UNKNOWN, "settle as cancelled by Ben"],
    State.SETTLED_NOT_CANCELLED: [*_UNKNOWN, "settle as not cancelled by Cleo"],
}
"""The acts that lead to each state."""
MORE_WAYS = {
    "turned away, to be sent again": ["approve by Ben", "work", "busy"],
    "stopped": ["approve by Ben", "work", "busy", "stop by Ben"],
    "taken back": ["approve by Ben", "work", "busy", "stop by Ann"],
    "hurried": ["approve by Ben", "work", "busy", "try now by Ben"],
    "lost, then turned away": [*["approve by Ben", "work", "lost", "three minutes", "work", "busy"], "retry by Cleo"],
    "one vote of two": ["quorum of two", "approve by Ben"],
    "one's own vote of two": ["self-approval on", "quorum of two", "approve by Ann"],
    "two votes that both count no longer": [
        *["self-approval on", "quorum of two", "approve by Ann", "remove Ben", "self-approval off"],
    ],
    "approved by two, failed": ["quorum of two", "approve by Ben", "approve by Cleo", "work", "denied"],
    "approved by oneself, failed": ["self-approval on", "approve by Ann", "work", "denied"],
    "escalated": ["half an hour", "work"],
    "escalated, one vote of two": ["quorum of two", "half an hour", "work", "approve by Dora"],
    "approved after an escalation, failed": ["half an hour", "work", "approve by Dora", "work", "denied"],
    "failed, another one open": ["approve by Ben", "work", "denied", "ask again by Cleo"],
    "failed, another one rejected": [
        *["approve by Ben", "work", "denied", "ask again by Cleo", "reject the other by Cleo"],
    ],
    "believed lost, to be sent again": ["approve by Ben", "work", "three minutes", "work"],
    "believed lost, sent again": ["approve by Ben", "work", "three minutes", "work", "three minutes", "work"],
    "believed lost, then refused": [
        *["approve by Ben", "work", "three minutes", "work", "three minutes", "work", "completed"],
    ],
    "frozen": ["freeze"],
    "approved, frozen": ["approve by Ben", "freeze"],
    "failed, frozen": ["approve by Ben", "work", "denied", "freeze"],
    "one vote of two, frozen": ["quorum of two", "approve by Ben", "freeze"],
    "settled, another one open": [*_UNKNOWN, "settle as not cancelled by Cleo", "ask again by Cleo"],
}
"""More situations in which a next act may go wrong."""
