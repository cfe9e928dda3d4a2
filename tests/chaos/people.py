"""The people of a chaos run: they ask, click, click twice, contradict each other, and try again after an error.

Some of them may do nothing of what they try: an outsider, approvers who were removed, and people of another company,
one of whom ``APPROVERS`` names. The file is long because each kind of act has a way of its own through Slack.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

from bot.sandbox import gateway_answers as answers
from bot.sandbox.person import Person, as_seen
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.stage import ELSEWHERE, FRANK, SIRI
from bot.sandbox.views import elements_of
from bot.sandbox.workspace import OpenView, Posted
from bot.slack.commands import CANCEL_ORDER_ANYWHERE, CANCEL_ORDER_MESSAGE
from bot.slack.views.buttons import NEW_REQUEST
from tests.chaos.clock import Clock
from tests.flows.desk import BEN, CLEO, LEADS, OLGA, VERA, Desk

DORA = "U0DORA"
ASKERS = [f"U0ASK{number}" for number in range(24)]
ASKING_GROUP = "S0ASKERS"
"""A user group with the askers in it; REQUESTERS names it, and Dora, who is an approver too."""
REMOVED = ["U0EMIL", "U0FINN", "U0GINA", "U0HUGO"]
"""The approvers who are removed from the group in the middle of the run, one after the other."""

DUTY = "S0DUTY"
ON_DUTY = ["U0IDA", ASKERS[0], ASKERS[1]]
"""The members of the user group that ESCALATE_TO names beside Vera: two of them ask as well."""

CHANNELS = [f"C0DESK{number}" for number in range(6)]
"""A card goes to the channel where the command ran."""

REASONS = ["customer asked", "paid twice", "fraud"]
_SIZES = [*[1] * 12, 2, 3, 5, 12]
"""How many orders people ask for at once."""

_ORDER_FORM = "cancel_order"
RETRY, SETTLE_CANCELLED, SETTLE_NOT_CANCELLED = "retry", "settle_cancelled", "settle_not_cancelled"
TRY_NOW, STOP = "try_now", "stop"

_PLOTS = {
    "approve": 8,
    "crowd": 4,
    "contradict": 3,
    "take back": 2,
    "reject": 1,
    "withdraw": 1,
    "ignore": 1,
    "slowly": 3,
    "escalated": 3,
}
"""The stories of a request, by how often they happen."""
_OF_SEVERAL = {"approve": 25, "escalated": 1, "ignore": 0.5}
"""The same for several orders, of which there are fewer requests: most is to be seen once they are sent."""
_ENDED = ("✅", "⛔", "☑️", "↩️", "⌛", "📝", "✋")

Payload = dict[str, Any]


class Crowd:
    """People who make many requests at once, each with its own story, drawn from the seed and its first order's name.

    Some of them ask for several orders at once, and some of these for an order that somebody else asks for as well.
    """

    def __init__(self, desk: Desk, clock: Clock, seed: int, quorum: int) -> None:
        draw = random.Random(f"{seed}/people")
        self._desk = desk
        self._clock = clock
        self._seed = seed
        self._quorum = quorum
        self._room = asyncio.Semaphore(40)
        self._at_the_form = {asker: asyncio.Lock() for asker in (*ASKERS, DORA)}
        self._asked: Counter[str] = Counter()
        self.approvers = [BEN, CLEO, DORA, *REMOVED]
        """The first one by user id, the others as members of the group that APPROVERS names."""
        self.escalation = [VERA, *ON_DUTY]
        """Those who decide a request like approvers once it is escalated."""
        self.forms: dict[str, str] = {}
        """The reason in each form that was acknowledged without errors, by the form's id."""
        self.ways: Counter[str] = Counter()
        """How often people came to the form in each way."""
        self.on_home: Counter[str] = Counter()
        """How often each button of a Home tab was pressed."""
        self.must_choose = draw.random() < 0.5
        """Nobody can ask without one of the reasons that the form offers."""
        self.channel_of_cards = CHANNELS[0] if draw.random() < 0.5 else ""
        """The channel for all cards and for the digest; where there is none, a card goes to where the command ran."""
        self.acts: list[tuple[str, str]] = []
        """The person and the request of each click and each form that was acknowledged."""
        self.foreign: Counter[tuple[str, str]] = Counter()
        """How often a person of another company got an acknowledgement, by action or form and request."""
        self.errors: list[str] = []
        self.plots: Counter[str] = Counter()
        space = desk.slack.space
        for user in (*ASKERS, DORA, *REMOVED, ON_DUTY[0]):
            space.add_user(user, user[2:].lower())
        for channel in CHANNELS:
            space.add_channel(channel, channel[2:].lower(), (*ASKERS, *self.approvers, OLGA, *self.escalation))
        space.groups |= {LEADS: self.approvers[1:], ASKING_GROUP: list(ASKERS), DUTY: list(ON_DUTY)}
        if draw.random() < 0.5:
            desk.join_organisation(channels=CHANNELS)
            space.organisation_for_people = draw.random() < 0.5
            self.approvers.append(SIRI)
        space.add_user(FRANK, "frank", team_id=ELSEWHERE, enterprise_id=draw.choice([None, "E0ELSEWHERE"]))

    @property
    def settings(self) -> dict[str, str]:
        """The bot's settings that name people; one of them is of another company."""
        return {
            "APPROVERS": f"{BEN},{FRANK},{SIRI},{LEADS}",
            "REQUESTERS": f"{ASKING_GROUP},{DORA}",
            "ESCALATE_TO": f"{VERA},{DUTY}",
            "REASONS": ",".join(REASONS),
            "REASON_REQUIRED": str(self.must_choose).lower(),
            "APPROVAL_CHANNEL": self.channel_of_cards,
            "DIGEST": "daily 09:00 Asia/Phnom_Penh" if self.channel_of_cards else "",
        }

    def wishes(self, orders: Sequence[str]) -> list[list[str]]:
        """Return these orders in parts, each to be asked for at once; some have an order of another part as well."""
        draw, left, wishes = random.Random(f"{self._seed}/wishes"), list(orders), list[list[str]]()
        while left:
            size = draw.choice(_SIZES)
            wish, left = left[:size], left[size:]
            if wishes and size > 1 and draw.random() < 0.4:
                wish.append(draw.choice(draw.choice(wishes)))
            wishes.append(wish)
        return wishes

    async def live(self, wish: Sequence[str]) -> None:
        """Ask for some orders, decide on them in one way or another, and sometimes ask again."""
        order = wish[0]
        draw = random.Random(f"{self._seed}/{order}")
        async with self._room:
            expired = await self._once(draw, wish)
            # Where the first card offers Retry, a second request may be decided against.
            if draw.random() < (0.5 if expired or self._with_a_way_on(order) else 0.2):
                await self._once(draw, wish)

    async def _once(self, draw: random.Random, wish: Sequence[str]) -> bool:
        """Return True if the request expired, as far as its card says."""
        order = wish[0]
        asker, rival = (self._desk.person(user) for user in draw.sample(ASKERS, 2))
        asker = self._desk.person(DORA) if draw.random() < 0.2 else asker
        asking = [self._ask(draw, asker, wish)]
        if draw.random() < 0.15:
            # The two may share some of their orders only.
            asking.append(self._ask(draw, rival, draw.sample(wish, draw.randint(1, len(wish)))))
        await asyncio.gather(*asking)
        with contextlib.suppress(TimeoutError):
            card = await self._desk.wait(lambda: self._offering(order, "approve"), self._clock.long(15.0))
            await self._decide(draw, order, card, several=len(wish) > 1)
            await self._between_attempts(draw, order, card)
            for _ in range(2):
                if not await self._left_open(order, card):
                    break
                await self._clear_up(draw, order)
            return str(card.text).startswith("⌛")
        return True

    async def ask_again(self, order: str) -> None:
        """Ask for this order once more, as somebody who wonders about it."""
        await self._ask(random.Random(order), self._desk.person(ASKERS[0]), [order])

    # --- asking -------------------------------------------------------------------------------

    async def _ask(self, draw: random.Random, asker: Person, wish: Sequence[str]) -> None:
        """Fill in the form until it is taken; where other requests are in the way, perhaps ask for the other orders."""
        order = wish[0]
        self._asked[order] += 1
        note = f"{order} was typed twice, says {asker.name} for the {self._asked[order]}. time"
        category = draw.choice(REASONS) if self.must_choose or draw.random() < 0.7 else ""
        reason = f"{category}: {note}" if category else note
        async with self._at_the_form[asker.id]:
            for _ in range(60):
                with contextlib.suppress(NotAcknowledged, TimeoutError):
                    opened = await self._form(draw, asker, wish)
                    values = {"order_id": "\n".join(wish), "reason": note, "channel": draw.choice(CHANNELS)}
                    values |= {"category": category} if category else {}
                    await self._others_send(draw, opened, values)
                    answer = await self._send(asker.submission_payload(opened, values), copies=_copies(draw, 0.25))
                    self._desk.slack.space.views[asker.id].remove(opened)
                    if answer is None or _was_taken(answer):
                        self.forms[opened.id] = reason
                        return
                    # In a channel that can hold no card, another one will do.
                    if not _passes(answer) and list(answer.get("errors", {})) != ["channel"]:
                        errors = answer.get("errors", {"": str(answer)}).values()
                        self.errors += errors
                        wish = [each for each in wish if not any(f"“{each}”" in error for error in errors)]
                        if not wish or "order_id" not in answer.get("errors", {}) or draw.random() < 0.5:
                            return
                await asyncio.sleep(self._clock.long(draw.uniform(0.05, 0.3)))

    async def _form(self, draw: random.Random, asker: Person, wish: Sequence[str]) -> OpenView:
        """Return the form on the screen: the one with an error of Slack's, or a new one."""

        def look() -> OpenView | None:
            forms = self._desk.slack.space.views.get(asker.id, [])
            return next((form for form in forms if form.view.get("callback_id") == _ORDER_FORM), None)

        if look() is None:
            await self._open_form(draw, asker, wish)
        found: OpenView = await self._desk.wait(look, self._clock.long(1.0))
        return found

    async def _open_form(self, draw: random.Random, asker: Person, wish: Sequence[str]) -> None:
        """Ask for the form in one of the ways that there are."""
        space, channel = self._desk.slack.space, draw.choice(CHANNELS)
        way = draw.choice(["command", "command", "message", "anywhere", "home"])
        self.ways[way] += 1
        match way:
            case "message":
                text = f"Please cancel {' and '.join(wish)}"
                message = space.post(Posted(channel, space.next_ts(), text, [], draw.choice(ASKERS)))
                await asker.message_shortcut(message, CANCEL_ORDER_MESSAGE)
            case "anywhere":
                await asker.global_shortcut(CANCEL_ORDER_ANYWHERE)
            case "home" if (pressed := self._on_home(asker, NEW_REQUEST, "")) is not None:
                await self._desk.slack.deliver("interactive", pressed)
            case "home":
                await self.open_home(asker)
            case _:
                await asker.command("/cancel-order", channel)

    async def _others_send(self, draw: random.Random, opened: OpenView, values: dict[str, str]) -> None:
        """Send a form of somebody else's now and then, as people who may not."""
        if draw.random() < 0.05:
            person = self._desk.person(draw.choice([OLGA, FRANK]))
            with contextlib.suppress(NotAcknowledged):
                answer = await self._send(person.submission_payload(opened, values), copies=1)
                if answer is None or not _passes(answer):
                    self._note(person, opened.view["callback_id"], _about(opened))
                # A form that was accepted from its owner is accepted again, which changes nothing.
                if answer is None and not (person.id == OLGA and opened.view["callback_id"] == _ORDER_FORM):
                    self.errors.append(f"the form {opened.view['callback_id']} was taken from {person.name}")

    # --- seeing -------------------------------------------------------------------------------

    def _offering(self, order: str, action: str) -> Posted | None:
        """Return the first message about this order, in a channel or a thread, that has this button."""
        posted = (m for m in self._desk.slack.space.posted if order in m.text and m.channel in CHANNELS)
        return next((message for message in posted if message.button(action)), None)

    def _with_a_way_on(self, order: str) -> Posted | None:
        """Return the first message that offers a way on after an outcome."""
        return self._offering(order, RETRY) or self._offering(order, SETTLE_CANCELLED)

    def _receipt_or(self, card: Posted, asker: Person, order: str) -> Posted:
        """Return the asker's own receipt if it can be withdrawn from, else the card."""
        own = (message for message in asker.direct_messages if order in message.text)
        return next((message for message in own if message.button("withdraw")), card)

    def _asker(self, card: Posted) -> Person:
        text = self._desk.ann.reads(card)
        askers = (self._desk.person(user) for user in (*ASKERS, DORA))
        return next(asker for asker in askers if f"Requested by @{asker.name}," in text)

    async def _left_open(self, order: str, card: Posted) -> bool:
        """Return True once a card offers Retry for this order, and False if it ends before that or takes too long."""

        def look() -> str:
            return RETRY if self._with_a_way_on(order) else "ended" if card.text.startswith(_ENDED) else ""

        with contextlib.suppress(TimeoutError):
            found: str = await self._desk.wait(look, self._clock.long(3.0))
            return found == RETRY
        return False

    # --- deciding -----------------------------------------------------------------------------

    async def _decide(self, draw: random.Random, order: str, card: Posted, *, several: bool) -> None:
        plots = _PLOTS | (_OF_SEVERAL if several else {})
        (plot,) = draw.choices(list(plots), list(plots.values()))
        self.plots[plot] += 1
        approvers = [self._desk.person(user) for user in draw.sample(self.approvers, len(self.approvers))]
        asker = self._asker(card)
        wanted = self._quorum if draw.random() < 0.7 else 2
        seen = as_seen(card)

        def click(person: Person, action: str) -> Coroutine[Any, Any, None]:
            # Some people look at the card as it was a while ago.
            return self._click(draw, person, order, seen if draw.random() < 0.15 else card, action)

        acts: list[Coroutine[Any, Any, None]] = []
        if plot in {"approve", "crowd"} and draw.random() < 0.4:
            # The gateway is too busy for a while, so that there is a pause to cut short, and something to stop.
            self._desk.gateway.faults.add(order, *[answers.too_many(3)] * 2)
        if plot in {"approve", "crowd", "contradict", "take back"}:
            acts += [click(person, "approve") for person in approvers[:wanted]]
        match plot:
            case "approve":
                acts += [click(approvers[0], "approve") for _ in range(draw.randint(0, 2))]
            case "crowd":
                others = [*approvers, *approvers, self._desk.olga, self._desk.vera, asker]
                acts += [click(person, "approve") for person in others]
            case "contradict":
                # The form for the reason is open before anybody presses, so that both acts come at the same moment.
                form = await self._form_behind(draw, approvers[-1], order, card, "reject")
                acts.append(self._submit(draw, approvers[-1], form, reason="the customer changed their mind"))
            case "slowly":
                # The next one to be removed approves, and the others after a while.
                lead = next((self._desk.person(lead) for lead in REMOVED if lead in self._leads()), approvers[0])
                await click(lead, "approve")
                await asyncio.sleep(draw.uniform(1, 8))
                acts += [click(person, "approve") for person in approvers[:2]]
            case "escalated":
                on_duty = await self._on_duty(draw, card)
                acts += [click(person, "approve") for person in on_duty[:wanted]]
                acts += [self._reject(draw, person, order, card) for person in on_duty if draw.random() < 0.1]
            case "take back":
                acts.append(self._click(draw, asker, order, self._receipt_or(card, asker, order), "withdraw"))
            case "reject":
                acts.append(self._reject(draw, approvers[-1], order, card))
            case "withdraw":
                acts += [click(asker, "withdraw"), click(approvers[0], "withdraw")]
        draw.shuffle(acts)
        await asyncio.gather(*acts)

    async def _on_duty(self, draw: random.Random, card: Posted) -> list[Person]:
        """Return the people of the escalation, once the card's thread asks them, or after a while."""

        def is_asked() -> bool:
            return any(reply.text.startswith("🔔") for reply in self._desk.slack.space.messages(card.channel, card.ts))

        with contextlib.suppress(TimeoutError):
            await self._desk.wait(is_asked, self._clock.long(8.0))
        return [self._desk.person(user) for user in draw.sample(self.escalation, len(self.escalation))]

    def _leads(self) -> list[str]:
        """Return who is in the group that APPROVERS names."""
        return self._desk.slack.space.groups[LEADS]

    async def _reject(self, draw: random.Random, person: Person, order: str, card: Posted) -> None:
        form = await self._form_behind(draw, person, order, card, "reject")
        await self._submit(draw, person, form, reason="the customer changed their mind")

    async def _between_attempts(self, draw: random.Random, order: str, card: Posted) -> None:
        """Press Try now and Stop trying at the same moment, while the gateway is away: people who may, and others."""

        def look() -> bool:
            return card.button(STOP) is not None or card.button(RETRY) is not None or card.text.startswith(_ENDED)

        with contextlib.suppress(TimeoutError):
            await self._desk.wait(look, self._clock.long(2.0))
        if card.button(STOP) is None:
            return
        person = self._desk.person
        acts = [
            self._click(draw, person(draw.choice([*self.approvers, OLGA, *self.escalation])), order, card, TRY_NOW),
            self._click(draw, self._asker(card) if draw.random() < 0.5 else person(OLGA), order, card, STOP),
        ]
        if draw.random() < 0.5:
            acts.append(self._click(draw, person(draw.choice(self.approvers)), order, as_seen(card), STOP))
        draw.shuffle(acts)
        await asyncio.gather(*acts)

    # --- after an outcome that leaves something to do -----------------------------------------

    async def _clear_up(self, draw: random.Random, order: str) -> None:
        """Press Retry and settle by hand at the same moment, as people who may and as people who may not."""
        card = self._with_a_way_on(order)
        if card is None:
            return
        acts: list[Coroutine[Any, Any, None]] = []
        asker, outsider = self._asker(card), self._desk.person(draw.choice([OLGA, *REMOVED, *self.escalation]))
        if asker.id == DORA and draw.random() < 0.7:
            # Here the requester is an approver too, and presses before anybody else can.
            await self._click(draw, asker, order, card, RETRY)
        for person, eager in ((asker, 0.6), (outsider, 0.3), *((self._desk.person(a), 0.3) for a in self.approvers)):
            if draw.random() < eager:
                acts.append(self._click(draw, person, order, card, RETRY))
            if draw.random() < eager / 2:
                acts.append(self.settle(draw, person, order, card))
        draw.shuffle(acts)
        await asyncio.gather(*acts)

    async def settle(self, draw: random.Random, person: Person, order: str, card: Posted) -> None:
        """State by hand how an order stands; people are wrong now and then."""
        found = self._desk.gateway.orders.get(order)
        cancelled = (found is not None and found.status == "cancelled") == (draw.random() < 0.8)
        action = SETTLE_CANCELLED if cancelled else SETTLE_NOT_CANCELLED
        form = await self._form_behind(draw, person, order, card, action)
        values = {"how": "the console says so"}
        if form is not None and (unknown := _offered(form, "order")):
            values["order"] = draw.choice(unknown)
        await self._submit(draw, person, form, **values)

    async def retry(self, draw: random.Random, person: Person, order: str, card: Posted) -> None:
        """Press Retry."""
        await self._click(draw, person, order, card, RETRY)

    # --- Home tabs ----------------------------------------------------------------------------

    async def open_home(self, person: Person) -> None:
        """Open the Home tab, again until the bot hears of it."""
        event = person.home_opened_payload()
        for retry in range(4):  # as Slack does
            with contextlib.suppress(NotAcknowledged):
                await self._desk.slack.deliver("events_api", event, retry=retry)
                return

    async def _instead_on_home(self, person: Person, action: str, about: str) -> Payload | None:
        """Open the Home tab, and return the payload of the same button there, if it is there soon."""
        await self.open_home(person)
        with contextlib.suppress(TimeoutError):
            payload: Payload = await self._desk.wait(
                lambda: self._on_home(person, action, about), self._clock.long(1.0)
            )
            self.on_home[action] += 1
            return payload
        return None

    async def open_homes(self) -> None:
        """Open the Home tab as somebody or other, until cancelled."""
        draw = random.Random(f"{self._seed}/homes")
        while True:
            await asyncio.sleep(self._clock.long(draw.uniform(0.1, 0.5)))
            await self.open_home(self._desk.person(draw.choice(self.with_home)))

    @property
    def with_home(self) -> list[str]:
        """Everybody who opens the Home tab."""
        return [*self.approvers, *ASKERS, *self.escalation, OLGA, FRANK]

    def _on_home(self, person: Person, action: str, about: str) -> Payload | None:
        """Return the payload of a button on this person's Home tab, or None where it is not there."""
        blocks = [] if person.home is None else person.home.view["blocks"]
        for block in blocks:
            for element in elements_of(block):
                if element["action_id"] == action and element.get("value", "") == about:
                    return person.home_action_payload({**element, "block_id": block["block_id"]})
        return None

    # --- people who may not -------------------------------------------------------------------

    async def click_around(self) -> None:
        """Click whatever can be seen, as people who may do nothing of that, until cancelled."""
        draw = random.Random(f"{self._seed}/around")
        space = self._desk.slack.space
        while True:
            await asyncio.sleep(self._clock.long(draw.uniform(0.02, 0.2)))
            person = self._desk.person(draw.choice([FRANK, FRANK, FRANK, OLGA, draw.choice(REMOVED)]))
            if person.id in self._leads():
                continue
            visible = [m for m in space.posted if person.id in space.channels[m.channel].members and buttons(m)]
            if visible:
                card = draw.choice(visible)
                payload = person.click_payload(card, draw.choice(buttons(card)))
                with contextlib.suppress(NotAcknowledged):
                    await self._send(payload, copies=1)
                    action = payload["actions"][0]
                    # As long as the bot takes somebody for an approver, a button that opens a form leaves no trace.
                    act, about = pressed(action)
                    if person.id not in REMOVED or act in {"approve", "withdraw", RETRY, TRY_NOW, STOP}:
                        self._note(person, act, about)

    def _note(self, person: Person, what: str, about: str) -> None:
        """Keep that an act was acknowledged; the form of a new request is about none."""
        is_request = not about
        if person.id == FRANK:
            self.foreign["/cancel-order" if is_request else what, "" if is_request else about] += 1
        elif not is_request:
            self.acts.append((person.id, about))

    # --- clicking and sending -----------------------------------------------------------------

    async def _click(self, draw: random.Random, person: Person, order: str, card: Posted, action: str) -> None:
        """Press a button, and again after an error, on this card or on another one of this order."""
        shown = card if card.button(action) else self._offering(order, action)
        if shown is not None:
            payload = person.click_payload(shown, action)
            if action in {"approve", "withdraw"} and draw.random() < 0.3:
                payload = await self._instead_on_home(person, action, pressed(payload["actions"][0])[1]) or payload
            if await self._insist(draw, payload) is not None:
                self._note(person, *pressed(payload["actions"][0]))

    async def _form_behind(
        self, draw: random.Random, person: Person, order: str, card: Posted, action: str
    ) -> OpenView | None:
        """Press a button and return the form that opens, or None."""
        shown = card if card.button(action) else self._offering(order, action)
        if shown is None:
            return None
        _, about = pressed(shown.button(action) or {})
        metadata = about if action == "reject" else f"{action.removeprefix('settle_')} {about}"
        forms = self._desk.slack.space.views.setdefault(person.id, [])

        def opened() -> OpenView | None:
            # The form for settling also holds the version of the request that its card showed.
            return next(
                (form for form in forms if f"{form.view.get('private_metadata', '')} ".startswith(f"{metadata} ")), None
            )

        for _ in range(5):
            if not shown.button(action):
                break
            # A new payload for each press, as the trigger of the last one may be used up.
            await self._insist(draw, person.click_payload(shown, action))
            with contextlib.suppress(TimeoutError):
                found: OpenView = await self._desk.wait(opened, self._clock.long(0.5))
                forms.remove(found)
                return found
        return None

    async def _submit(self, draw: random.Random, person: Person, form: OpenView | None, **values: str) -> None:
        if form is None:
            return
        about = _about(form)
        await self._others_send(draw, form, values)
        for _ in range(5):
            answer = await self._insist(draw, person.submission_payload(form, values))
            if answer is not None and not _passes(answer):
                self._note(person, form.view["callback_id"], about)
                return
            # An error that passes says that nothing was kept, or that nobody knows: so nothing is promised.
            await asyncio.sleep(self._clock.long(draw.uniform(0.05, 0.5)))

    async def _insist(self, draw: random.Random, payload: Payload) -> Payload | None:
        """Send a payload, again while Slack shows an error, as people do. Return the acknowledgement, or None."""
        for _ in range(6):
            with contextlib.suppress(NotAcknowledged):
                return await self._send(payload, copies=_copies(draw, 0.2)) or {}
            await asyncio.sleep(self._clock.long(draw.uniform(0.05, 0.5)))
        return None

    async def _send(self, payload: Payload, *, copies: int) -> Payload | None:
        """Send ``copies`` of the same payload at the same moment. Return the payload of an acknowledgement."""
        sending = (self._desk.slack.deliver("interactive", payload) for _ in range(copies))
        answers = await asyncio.gather(*sending, return_exceptions=True)
        for answer in answers:
            if not isinstance(answer, BaseException):
                return answer
        raise NotAcknowledged


def _copies(draw: random.Random, double: float) -> int:
    return 2 if draw.random() < double else 1


def _about(form: OpenView) -> str:
    """Return the id of the request that a form is about; empty for the form of a new one."""
    if form.view["callback_id"] == _ORDER_FORM:
        return ""
    parts = str(form.view["private_metadata"]).split()
    return parts[1] if form.view["callback_id"] == "settle" else parts[0]


def _offered(form: OpenView, field: str) -> list[str]:
    """Return the values that a form's menu offers; none where it has no such menu."""
    menus = (block["element"] for block in form.view["blocks"] if block["type"] == "input")
    return [option["value"] for menu in menus if menu["action_id"] == field for option in menu.get("options", [])]


def _passes(answer: Payload) -> bool:
    """Return True for a form's error that ends by itself, or with Slack's refusal, so that people send it again."""
    passing = ("ry again", "Slack does not let me read the user group", "my database does not answer")
    return any(words in error for error in answer.get("errors", {}).values() for words in passing)


def _was_taken(answer: Payload) -> bool:
    """Return True for the error of a form that was taken before, while its request has ended since."""
    return any(error.startswith("You have sent this form before") for error in answer.get("errors", {}).values())


def buttons(message: Posted) -> list[str]:
    """Return the names of what can be pressed in a message: the ids of its buttons, and the entries of its menu."""
    return [
        str(name)
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
        for name in (
            [option["value"].partition(" ")[0] for option in element["options"]]
            if "options" in element
            else [element["action_id"]]
        )
    ]


def pressed(action: Payload) -> tuple[str, str]:
    """Return the name of what was pressed, and the id of its request."""
    if "selected_option" in action:
        name, _, about = action["selected_option"]["value"].partition(" ")
        return str(name), str(about)
    return str(action["action_id"]), str(action["value"])
