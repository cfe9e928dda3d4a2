"""The people of a chaos run: they ask, click, click twice, contradict each other, and try again after an error."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from bot.sandbox.person import Person
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import OpenView, Posted
from tests.flows.desk import BEN, CLEO, LEADS, OLGA, Desk

ASKERS = [f"U0ASK{number}" for number in range(24)]
APPROVERS = [BEN, CLEO, "U0DORA", "U0EMIL"]
"""The first one by user id, the others as members of the group that APPROVERS names."""

CHANNELS = [f"C0DESK{number}" for number in range(6)]
"""A card goes to the channel where the command ran."""

_PLOTS = {"approve": 8, "crowd": 4, "contradict": 3, "take back": 2, "reject": 1, "withdraw": 1, "ignore": 1}
"""The stories of a request, by how often they happen."""


class Crowd:
    """People who make many requests at once, each with its own story, drawn from the seed and the order's name."""

    def __init__(self, desk: Desk, seed: int, quorum: int) -> None:
        self._desk = desk
        self._seed = seed
        self._quorum = quorum
        self._room = asyncio.Semaphore(40)
        self._at_the_form = {asker: asyncio.Lock() for asker in ASKERS}
        self.forms: dict[str, str] = {}
        """The reason in each form that was acknowledged without errors, by the form's id."""
        self.acts: list[tuple[str, str]] = []
        """The person and the cancellation of each click and each reject form that was acknowledged."""
        self.errors: list[str] = []
        self.plots: Counter[str] = Counter()
        space = desk.slack.space
        for user in (*ASKERS, *APPROVERS):
            space.add_user(user, user[2:].lower())
        for channel in CHANNELS:
            space.add_channel(channel, channel[2:].lower(), (*ASKERS, *APPROVERS, OLGA))
        space.groups[LEADS] = APPROVERS[1:]

    async def live(self, order: str) -> None:
        """Ask for one order, decide on it in one way or another, and sometimes ask again."""
        draw = random.Random(f"{self._seed}/{order}")
        async with self._room:
            await self._once(draw, order, f"{order} was typed twice")
            if draw.random() < 0.1:
                await self._once(draw, order, f"{order} must be cancelled all the same")

    async def _once(self, draw: random.Random, order: str, reason: str) -> None:
        asker, rival = (self._desk.person(user) for user in draw.sample(ASKERS, 2))
        asking = [self._ask(draw, asker, order, reason)]
        if draw.random() < 0.15:
            asking.append(self._ask(draw, rival, order, f"{reason}, says {rival.name}"))
        await asyncio.gather(*asking)
        with contextlib.suppress(TimeoutError):
            card = await self._desk.wait(lambda: self._card(order), 12.0)
            await self._decide(draw, card)

    async def ask_again(self, order: str) -> None:
        """Ask for this order once more, as somebody who wonders about it."""
        await self._ask(random.Random(order), self._desk.person(ASKERS[0]), order, "is it cancelled?")

    # --- asking -------------------------------------------------------------------------------

    async def _ask(self, draw: random.Random, asker: Person, order: str, reason: str) -> None:
        async with self._at_the_form[asker.id]:
            for _ in range(60):
                with contextlib.suppress(NotAcknowledged, TimeoutError):
                    opened = await self._form(draw, asker)
                    payload = asker.submission_payload(opened, {"order_id": order, "reason": reason})
                    answer = await self._send(payload, copies=2 if draw.random() < 0.25 else 1)
                    asker.close()
                    if answer is None:
                        self.forms[opened.id] = reason
                    else:
                        self.errors += answer["errors"].values()
                    return
                await asyncio.sleep(draw.uniform(0.05, 0.3))
            asker.close()

    async def _form(self, draw: random.Random, asker: Person) -> OpenView:
        """Return the form on the screen: the one with an error of Slack's, or a new one."""
        if asker.modal is None:
            await asker.command("/cancel-order", draw.choice(CHANNELS))
        found: OpenView = await self._desk.wait(lambda: asker.modal, 1.0)
        return found

    def _card(self, order: str) -> Posted | None:
        posted = (message for message in self._desk.slack.space.posted if f"order {order}" in message.text)
        return next((message for message in posted if message.button("approve")), None)

    # --- deciding -----------------------------------------------------------------------------

    async def _decide(self, draw: random.Random, card: Posted) -> None:
        (plot,) = draw.choices(list(_PLOTS), list(_PLOTS.values()))
        self.plots[plot] += 1
        approvers = [self._desk.person(user) for user in draw.sample(APPROVERS, len(APPROVERS))]
        asker = self._asker(card)
        approvals = [self._click(draw, person, card, "approve") for person in approvers[: self._quorum]]
        acts: list[Coroutine[Any, Any, None]] = []
        match plot:
            case "approve":
                acts = [
                    *approvals,
                    *(self._click(draw, approvers[0], card, "approve") for _ in range(draw.randint(0, 2))),
                ]
            case "crowd":
                others = [*approvers, *approvers, self._desk.olga, asker]
                acts = [*approvals, *(self._click(draw, person, card, "approve") for person in others)]
            case "contradict":
                # The form for the reason is open before anybody presses, so that both acts come at the same moment.
                form = await self._reject_form(draw, approvers[-1], card)
                acts = [*approvals, self._reject(draw, approvers[-1], form)]
            case "take back":
                acts = [*approvals, self._click(draw, asker, card, "withdraw")]
            case "reject":
                acts = [self._reject(draw, approvers[-1], await self._reject_form(draw, approvers[-1], card))]
            case "withdraw":
                acts = [self._click(draw, asker, card, "withdraw"), self._click(draw, approvers[0], card, "withdraw")]
        for unused in set(approvals) - set(acts):
            unused.close()
        draw.shuffle(acts)
        await asyncio.gather(*acts)

    def _asker(self, card: Posted) -> Person:
        askers = (self._desk.person(user) for user in ASKERS)
        text = self._desk.ann.reads(card)
        return next(asker for asker in askers if f"Requested by @{asker.name}," in text)

    async def _click(self, draw: random.Random, person: Person, card: Posted, action: str) -> None:
        """Press a button, and again after an error, on the card as it looks now."""
        with contextlib.suppress(LookupError):
            payload = person.click_payload(card, action)
            if await self._insist(draw, payload):
                self.acts.append((person.id, payload["actions"][0]["value"]))

    async def _reject_form(self, draw: random.Random, person: Person, card: Posted) -> OpenView | None:
        space = self._desk.slack.space
        with contextlib.suppress(LookupError, TimeoutError):
            payload = person.click_payload(card, "reject")
            about = payload["actions"][0]["value"]
            for _ in range(5):
                # A new payload for each press, as the trigger of the last one may be used up.
                await self._insist(draw, person.click_payload(card, "reject"))
                with contextlib.suppress(TimeoutError):
                    forms = space.views.setdefault(person.id, [])
                    found: OpenView = await self._desk.wait(
                        lambda forms=forms: next((f for f in forms if f.view["private_metadata"] == about), None), 0.5,
                    )  # fmt: skip
                    forms.remove(found)
                    return found
        return None

    async def _reject(self, draw: random.Random, person: Person, form: OpenView | None) -> None:
        if form is not None:
            payload = person.submission_payload(form, {"reason": "the customer changed their mind"})
            if await self._insist(draw, payload):
                self.acts.append((person.id, form.view["private_metadata"]))

    # --- sending ------------------------------------------------------------------------------

    async def _insist(self, draw: random.Random, payload: dict[str, Any]) -> bool:
        """Send a payload, again while Slack shows an error, as people do. Return True if it was acknowledged."""
        for _ in range(6):
            with contextlib.suppress(NotAcknowledged):
                await self._send(payload, copies=2 if draw.random() < 0.2 else 1)
                return True
            await asyncio.sleep(draw.uniform(0.05, 0.5))
        return False

    async def _send(self, payload: dict[str, Any], *, copies: int) -> dict[str, Any] | None:
        """Send ``copies`` of the same payload at the same moment. Return the payload of an acknowledgement."""
        sending = (self._desk.slack.deliver("interactive", payload) for _ in range(copies))
        answers = await asyncio.gather(*sending, return_exceptions=True)
        for answer in answers:
            if not isinstance(answer, BaseException):
                return answer
        raise NotAcknowledged
