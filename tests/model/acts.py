"""The model: the acts on one request, and what must become of it, written without any of the bot's own code."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.cancellation import State
from bot.domain.policy import Membership
from tests.world import ANN, BEN, CLEO, World

LOST = Answer(Outcome.UNKNOWN, repeat=True)
ANSWERS = {
    "confirmed": Answer(Outcome.CANCELLED, http_status=200),
    "completed": Answer(Outcome.REFUSED, http_status=422, reason=Reason.COMPLETED),
    "cancelled before": Answer(Outcome.REFUSED, http_status=409, reason=Reason.ALREADY_CANCELLED),
    "busy": Answer(Outcome.NOT_SENT, http_status=503, repeat=True),
    "denied": Answer(Outcome.NOT_SENT, http_status=401, reason=Reason.CREDENTIALS),
    "lost": LOST,
}


@dataclass
class Expected:
    """The state that one request must be in after each act."""

    state: str = "pending"
    attempts: int = 0
    lost: bool = False
    calling: bool = False
    overdue: bool = False
    due: bool = False
    another: str = ""
    """A second request for the same order: open, or open and overdue."""

    def act(self, act: str) -> None:
        """Follow one act of ``ACTS``."""
        if self.state == "pending" and self.overdue and act in _EXPIRING:
            self.state = "expired"
        match act:
            case "time":
                self.overdue = self.due = True
                self.another = self.another and "overdue"
            case "ask again" if self.state not in {"pending", "approved", "sending", "unknown"}:
                self.another = "open"
            case "restart" if self.state == "sending":
                self.due = True
            case "approve" | "reject" | "withdraw" if self.state == "pending":
                self._decided(act)
            case "retry" if self.state == "unknown" or (self.state == "failed" and not self.another):
                self._decided("approve")
            case "work":
                self._worked()
            case _ if act in ANSWERS and self.calling and self.state == "sending":
                self._answered(act)

    def _decided(self, act: str) -> None:
        self.state = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn"}[act]
        self.attempts, self.due = 0, act == "approve"

    def _worked(self) -> None:
        if self.another == "overdue":
            self.another = ""
        elif self.due and self.state == "approved":
            self.state, self.calling, self.due = "sending", True, False
            self.attempts += 1
        elif self.due and self.state == "sending":
            self._answered("lost")

    def _answered(self, answer: str) -> None:
        self.calling, before = False, self.lost
        self.lost |= answer == "lost"
        match answer:
            case "confirmed":
                self.state = "cancelled"
            case "cancelled before":
                self.state = "cancelled" if before else "refused"
            case "completed":
                self.state = "refused"
            case "busy" | "lost" if self.attempts < 2:
                self.state, self.due = "approved", False
            case _:
                self.state = "unknown" if self.lost else "failed"


def _answer_last(world: World, _: str, *, answer: Answer) -> None:
    """Give the last call this answer, again and again if that is asked for."""
    if world.under_way:
        attempt = world.under_way[-1]
        if world.answer(attempt, answer) is State.CANCELLED:
            world.cancelled_at_the_gateway.setdefault(attempt.order_id, attempt.cancellation_id)


ACTS: dict[str, Callable[[World, str], object]] = {
    "approve": lambda world, about: world.approve(about),
    "approve one's own": lambda world, about: world.approve(about, ANN),
    "approve as outsider": lambda world, about: world.approve(about, CLEO, Membership.OUTSIDER),
    "approve unchecked": lambda world, about: world.approve(about, CLEO, Membership.UNCHECKED),
    "reject": lambda world, about: world.reject(about),
    "reject as outsider": lambda world, about: world.reject(about, CLEO, Membership.OUTSIDER),
    "withdraw": lambda world, about: world.withdraw(about),
    "withdraw another's": lambda world, about: world.withdraw(about, BEN),
    "retry": lambda world, about: world.retry(about),
    "retry as outsider": lambda world, about: world.retry(about, Membership.OUTSIDER),
    "time": lambda world, _: world.clock.advance(minutes=61),
    "work": lambda world, _: world.work(),
    "restart": lambda world, _: world.restart(),
    "ask again": lambda world, _: world.ask(person=CLEO),
    **{name: partial(_answer_last, answer=answer) for name, answer in ANSWERS.items()},
}
_EXPIRING = {act for act in ACTS if act.split()[0] in {"approve", "reject", "withdraw", "retry", "ask", "work"}}
WAYS = {
    State.PENDING: [],
    State.APPROVED: ["approve"],
    State.SENDING: ["approve", "work"],
    State.CANCELLED: ["approve", "work", "confirmed"],
    State.REFUSED: ["approve", "work", "completed"],
    State.FAILED: ["approve", "work", "denied"],
    State.UNKNOWN: ["approve", "work", "lost", "time", "work", "lost"],
    State.REJECTED: ["reject"],
    State.WITHDRAWN: ["withdraw"],
    State.EXPIRED: ["time", "work"],
}
"""The acts that lead to each state."""
