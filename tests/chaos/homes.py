"""The judgement on Home tabs: whoever has theirs open sees the truth, as soon as the bot has nothing left to do."""

from collections.abc import Iterator

from bot.domain.request import Request
from bot.sandbox.person import Person
from bot.sandbox.stage import FRANK
from bot.sandbox.views import elements_of
from bot.slack.views.card import heading
from bot.store import open_reader
from tests.chaos.people import REMOVED, Crowd
from tests.flows.desk import LEADS, VERA, Desk

_MOST = 10
_NO_MORE = "not shown here"


class Homes:
    """People who open their Home tabs, and what is wrong with what they see."""

    def __init__(self, desk: Desk, crowd: Crowd) -> None:
        self._desk, self._crowd = desk, crowd
        self.judged = 0
        self.wrongs: list[str] = []

    async def open(self) -> None:
        """Open everybody's Home tab."""
        await self._desk.wait(lambda: self._desk.slack.connections, 60)
        for user in dict.fromkeys(self._crowd.with_home):
            await self._crowd.open_home(self._desk.person(user))

    def judge(self) -> None:
        """Hold every Home tab against the tables."""
        with open_reader(self._desk.place) as tables:
            pending, requests = tables.requests.pending(), tables.requests.latest(100_000)
        decided = sorted(requests, key=lambda request: -request.number)
        for user in dict.fromkeys(self._crowd.with_home):
            self.judged += 1
            person = self._desk.person(user)
            for wrong in self._judge(person, pending, decided):
                self.wrongs.append(f"the Home tab of {person.name}: {wrong}: {person.reads_home()!r}")

    def _judge(self, person: Person, pending: list[Request], decided: list[Request]) -> Iterator[str]:
        text = person.reads_home()
        if person.id == FRANK:
            if any(order in text for found in [*pending, *decided] for order in found.order_ids):
                yield "somebody of another company reads about orders"
            return
        waiting = [found for found in pending if self._decides(person, found)]
        own = [found for found in pending if found.requester == person.id]
        for action, expected in (("approve", waiting), ("withdraw", own)):
            shown, ids = _values(person, action), [found.id for found in expected]
            if set(shown) - set(ids) or (len(shown) < min(_MOST, len(ids)) and _NO_MORE not in text):
                yield f"{action} is offered for {shown}, and it should be for {ids}"
        lately = [row for row in text.rpartition("Lately")[2].strip().splitlines() if row != "Nothing yet."]
        mine = [found for found in decided if found.requester == person.id]
        is_open = [found for found in mine if any(each.state.open for each in found.cancellations)]
        read = decided if self._reads_all(person) else mine
        ended = [heading(found) for found in read if found not in is_open][:_MOST]
        if len(lately) != len(ended) or any(words not in row for words, row in zip(ended, lately, strict=True)):
            yield f"under Lately should be {ended}"

    def _decides(self, person: Person, request: Request) -> bool:
        is_approver = person.id in self._approvers() or (
            request.escalated_at is not None and person.id in self._crowd.escalation
        )
        return is_approver and person.id not in {request.requester, *request.approvers}

    def _reads_all(self, person: Person) -> bool:
        return person.id in {*self._approvers(), VERA}

    def _approvers(self) -> set[str]:
        leads = self._desk.slack.space.groups[LEADS]
        return {user for user in self._crowd.approvers if user not in REMOVED or user in leads}


def _values(person: Person, action: str) -> list[str]:
    """Return the ids of the requests for which a person's Home tab has this button."""
    blocks = [] if person.home is None else person.home.view["blocks"]
    return [
        str(element["value"]) for block in blocks for element in elements_of(block) if element["action_id"] == action
    ]
