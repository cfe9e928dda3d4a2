"""The settings that change what people read in Slack, and nothing else."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from urllib.parse import quote

from bot.domain.cancellation import State
from bot.domain.policy import People
from bot.domain.request import Request
from bot.slack.views.text import Element, listed, mention, persons

_LONGEST_ADDRESS = 500
"""Characters. A longer one would take the room of the reason, and no console has order pages with such names."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """The part of the settings that the views show. ``mentions`` is False where messages mention nobody.

    ``approvers`` are those of the settings, or None where they are not known. ``escalation`` are the people who join
    them once a request is escalated. Those of whom ``is_stranger`` returns True are of another company: they can't
    decide, and are left out. The mentions are the bot's own elements: a mention that people typed never comes alive.
    ``contact`` is the id of the channel, user group or person to ask for help,
    ``order_id_example`` an order id, and ``order_url`` the address of an order's page with ``{order_id}`` in it. Where
    ``shows_freeze`` is False, the freeze is shown once for all requests of a page, and not at each.
    """

    approvers: People | None = None
    mentions: bool = True
    escalation: People = field(default_factory=People)
    is_stranger: Callable[[str], bool] = lambda _: False
    allow_self_approval: bool = False
    contact: str | None = None
    order_id_example: str | None = None
    order_url: str = ""
    shows_freeze: bool = True

    def still_needed(self, request: Request) -> list[Element]:
        """Return the mentions of those who can bring this request further; nothing where there are none.

        A waiting request needs the approvers who have not approved yet. After that it may need any of them, but the
        requester, who hears of it by direct message.
        """
        if self.approvers is None or not self.mentions:
            return []
        done = {request.requester}
        if request.state is State.PENDING:
            done = self._may_not_approve(request) | set(request.approvers)
        return mentions(self._deciders(self.approvers, escalated=request.escalated_at is not None), but=done)

    def lacks_approvers(self, request: Request, missing: int) -> bool:
        """Return True where by the settings fewer people are left who could approve this request than are ``missing``.

        A user group may have anybody in it, and those whom an escalation asks may still come.
        """
        if self.approvers is None:
            return False
        asked = request.escalated_at is not None or request.escalate_at is not None
        people = self._deciders(self.approvers, escalated=asked)
        left = people.users - self._may_not_approve(request) - set(request.approvers)
        return not people.groups and len(left) < missing

    def page_of(self, order_id: str) -> str:
        """Return the address of this order's page; empty where there is none, or none that fits into a message."""
        # Order ids are typed by people: encoded like this, none can lead to another page. Browsers take dots alone for
        # a step up, encoded or not.
        if not order_id.strip("."):
            return ""
        address = self.order_url.replace("{order_id}", quote(order_id, safe=""))
        return address if len(address) <= _LONGEST_ADDRESS else ""

    def asked_as_well(self, request: Request) -> list[Element]:
        """Return the mentions of those whom the escalation of this request asks; nothing where there are none.

        They were not asked before, so they are mentioned whatever the settings say about the approvers.
        """
        return mentions(self._at_home(self.escalation), but=self._may_not_approve(request) | set(request.approvers))

    def _deciders(self, approvers: People, *, escalated: bool) -> People:
        """Return these approvers, with those whom an escalation asks where it does."""
        if not escalated:
            return self._at_home(approvers)
        people = People(approvers.users | self.escalation.users, approvers.groups | self.escalation.groups)
        return self._at_home(people)

    def _at_home(self, people: People) -> People:
        return People(frozenset(user for user in people.users if not self.is_stranger(user)), people.groups)

    def _may_not_approve(self, request: Request) -> set[str]:
        return set() if self.allow_self_approval else {request.requester}


NO_SETTINGS = Presentation()


def mentions(people: People, but: Container[str] = ()) -> list[Element]:
    """Return the mentions of user groups, and of at most ten people by name, with commas between them."""
    named = persons(sorted(user for user in people.users if user not in but))
    return listed([*([mention(each)] for each in sorted(people.groups)), *([named] if named else [])])
