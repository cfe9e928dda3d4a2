"""The forms: how each one looks, and how it is read back.

The file is long because both belong together, for every form.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bot.domain.cancellation import State
from bot.domain.policy import Surface
from bot.domain.request import Request
from bot.slack.payloads import FormView
from bot.slack.views import buttons, orders
from bot.slack.views.text import Block, Element, cut_inside, legible, lines, plain, trimmed, words
from bot.workflow.requests import MOST_ORDERS

REASON_LIMIT = 3000
"""The most characters that a Slack text field takes."""
_SHOWN_CHOICE = 75
"""Characters of an option; Slack takes no more."""

_ITS_END_IS_MISSING = (
    f"⚠️ A field takes {REASON_LIMIT:,} characters, and what you typed as {{}} is longer. Its end is missing below."
)

View = dict[str, Any]


class OrderForm:
    """The form in which every way of asking ends."""

    CALLBACK = "cancel_order"
    ORDER = "order_id"
    REASON = "reason"
    CATEGORY = "category"
    CHANNEL = "channel"

    @classmethod
    def build(cls, start: "OrderStart", rules: "OrderRules") -> View:
        """Return the form, filled in as far as is known already.

        It asks for the channel of the card if nobody knows one. Where a text is longer than its field, a line above
        says so: nobody asks for less than they typed without knowing it.
        """
        shown = f", for example {rules.example}" if rules.example else ""
        category, note = _chosen_in(start.reason, rules.reasons)
        read_by = "Approvers see it, the gateway gets it, and it stays on record"
        left_out = len(start.order_ids) - len(whole := _fitting(start.order_ids))
        too_long = [
            name
            for name, text in (("order ID", whole[0] if whole else ""), ("reason", note))
            if len(text) > REASON_LIMIT
        ]
        return _modal(
            cls.CALLBACK,
            "Cancel an order",
            "Ask for approval",
            f"{start.channel}\n{start.answer}\n{start.source}".rstrip("\n"),
            *([lines([words(_left_out(len(start.order_ids), len(whole)))])] if left_out else []),
            *(lines([words(_ITS_END_IS_MISSING.format(name))]) for name in too_long),
            _input(
                cls.ORDER,
                "Order ID",
                "\n".join(whole),
                multiline=True,
                hint=f"Use the order ID from the console{shown}. For several orders, write one a line",
            ),
            *([_reasons(rules, category)] if rules.reasons else []),
            _input(
                cls.REASON,
                "Note" if rules.reasons else "Reason",
                note,
                optional=bool(rules.reasons) or not rules.reason_required,
                multiline=True,
                hint=f"It is added to the reason. {read_by}" if rules.reasons else read_by,
            ),
            *([] if start.channel else [_channel_select(cls.CHANNEL, shared=rules.allow_shared_channels)]),
        )

    @classmethod
    def parse(cls, view: FormView) -> "Order":
        """Return what somebody entered in a submitted form."""
        channel, answer, source = (*view.private_metadata.split("\n"), "", "", "")[:3]
        category, note = _selected(view, cls.CATEGORY, "selected_option"), _words(view, cls.REASON)
        return Order(
            channel=channel or _selected(view, cls.CHANNEL, "selected_conversation"),
            channel_chosen=not channel,
            order_ids=_value(view, cls.ORDER),
            category=category,
            reason=": ".join(filter(None, [category, note])),
            offers_reasons=cls.CATEGORY in view.state.get("values", {}),
            answer=answer,
            source=source,
        )


class OrderStart(NamedTuple):
    """The start of the form: the channel from which somebody asks, and what they typed or pointed at.

    ``channel`` is where the card goes unless the settings name another one; it is empty where the form has to ask.
    ``answer`` is the address for answers in the place where somebody asked, and ``source`` the permalink of the message
    from which they did; both may be empty.
    """

    channel: str
    order_ids: tuple[str, ...] = ()
    reason: str = ""
    answer: str = ""
    source: str = ""


class OrderRules(NamedTuple):
    """The settings that shape the form: an order id as an example, the reasons to choose from, and what must be there.

    The form offers channels shared with other companies only where ``allow_shared_channels`` is true.
    """

    example: str | None = None
    reasons: tuple[str, ...] = ()
    reason_required: bool = False
    allow_shared_channels: bool = False


class Order(NamedTuple):
    """A submitted form. ``reason`` begins with ``category``, if one was chosen.

    ``channel_chosen`` is true where somebody chose the channel in the form, and ``offers_reasons`` where the form has
    the list of reasons.
    """

    channel: str
    channel_chosen: bool
    order_ids: str
    category: str
    reason: str
    offers_reasons: bool
    answer: str
    source: str


class RejectForm:
    """The form behind the Reject button."""

    CALLBACK = "reject_reason"
    REASON = "reason"

    @classmethod
    def build(cls, request: Request, surface: Surface) -> View:
        """Return the form that asks for the reason of a rejection; ``surface`` is where the button is."""
        label = f"Why do you reject the cancellation of {orders.inline(request, 60)}?"
        return _modal(
            cls.CALLBACK,
            "Reject",
            "Reject",
            f"{request.id} {surface}",
            _input(cls.REASON, label, "", multiline=True, hint="The requester sees it, and it stays on record"),
        )

    @classmethod
    def parse(cls, view: FormView) -> tuple[str, Surface, str]:
        """Return request id, surface and trimmed reason of a submitted form."""
        request_id, _, surface = view.private_metadata.partition(" ")
        return request_id, Surface.HOME if surface == Surface.HOME else Surface.CARD, _words(view, cls.REASON)


class SettleForm:
    """The form behind the buttons for an unknown outcome that somebody looked up at the gateway."""

    CALLBACK = "settle"
    ORDER = "order"
    HOW = "how"
    CANCELLED, NOT_CANCELLED = "cancelled", "not_cancelled"

    @classmethod
    def build(cls, request: Request, *, cancelled: bool, surface: Surface) -> View:
        """Return the form that asks how the person knows, and of which order, if several are unknown.

        ``surface`` is where the button is. An order is named by its place in the request, from 0 on: its id may be
        longer than what Slack keeps of a choice.
        """
        found = "is cancelled" if cancelled else "is not cancelled"
        finding = cls.CANCELLED if cancelled else cls.NOT_CANCELLED
        unknown = {
            str(place): each.order_id for place, each in enumerate(request.cancellations) if each.state is State.UNKNOWN
        }
        shown = [cut_inside(each, _SHOWN_CHOICE) for each in unknown.values()]
        if len(set(shown)) < len(shown):
            # They differ in what is cut out, so they are told apart by their places in the card's list.
            unknown = {place: f"{int(place) + 1} in the list: {each}" for place, each in unknown.items()}
        which = [_select(cls.ORDER, "Which order?", unknown)] if len(unknown) > 1 else []
        # A statement about money has no default: one order is named by the form itself, one of several by the person.
        order, named = ("it", "") if which else next((cut_inside(id_, 60), place) for place, id_ in unknown.items())
        return _modal(
            cls.CALLBACK,
            "Settle by hand",
            "Settle",
            f"{finding} {request.id} {request.version} {surface} {named}",
            *which,
            _input(
                cls.HOW,
                f"How do you know that {order} {found} at the gateway?",
                "",
                multiline=True,
                hint="Your name and these words stay on record as your statement",
            ),
        )

    @classmethod
    def parse(cls, view: FormView) -> "Finding":
        """Return what somebody stated in a submitted form."""
        found, request_id, seen, surface, place, *_ = [*view.private_metadata.split(" "), *[""] * 5]
        if cls.has_choice(view):
            place = _selected(view, cls.ORDER, "selected_option")
        return Finding(
            {cls.CANCELLED: True, cls.NOT_CANCELLED: False}.get(found),
            request_id,
            buttons.version(seen),
            int(place) if re.fullmatch("[0-9]{1,4}", place) else None,
            _words(view, cls.HOW),
            Surface.HOME if surface == Surface.HOME else Surface.CARD,
        )

    @classmethod
    def has_choice(cls, view: FormView) -> bool:
        """Return True for a form with several orders to choose from."""
        return cls.ORDER in view.state.get("values", {})


class Finding(NamedTuple):
    """A statement about an order whose outcome is unknown, and the version of the request that the person saw.

    ``cancelled`` is None where the form says neither: a statement about money has no default. ``order`` is the order's
    place in the request, from 0 on, or None where the form names none.
    """

    cancelled: bool | None
    request_id: str
    seen: int
    order: int | None
    how: str
    surface: Surface = Surface.CARD


def form_no_longer_in_use() -> View:
    """Return a modal in place of a form that an older version opened."""
    return _notice("No longer in use", [words("This form is no longer in use. Type the command again.")])


def form_not_read() -> View:
    """Return a modal in place of a form that Slack sent in a shape that the bot does not know."""
    said = "I couldn't read this form, so nothing has changed. Type the command again."
    return _notice("Form not read", [words(said)])


def notice(said: list[Element]) -> View:
    """Return a modal with an answer to somebody who did not act on a message."""
    return _notice("Cancel Desk", said)


def _notice(title: str, said: list[Element]) -> View:
    return {
        "type": "modal",
        "title": plain(title),
        "close": plain("Close"),
        "blocks": [lines(said)],
    }


def _modal(callback: str, title: str, submit: str, metadata: str, *blocks: Block) -> View:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Close"),
        "blocks": list(blocks),
    }


def _input(
    name: str,
    label: str,
    initial: str,
    *,
    hint: str,
    optional: bool = False,
    multiline: bool = False,
) -> Block:
    element: Element = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": multiline,
        "max_length": REASON_LIMIT,
    }
    if initial:
        element["initial_value"] = initial[:REASON_LIMIT]
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "hint": plain(hint),
        "optional": optional,
        "element": element,
    }


def _select(name: str, label: str, options: Mapping[str, str], initial: str = "", *, optional: bool = False) -> Block:
    """Return a list to choose from, with what is shown for each value; Slack shows 75 characters of it."""
    shown = {value: {"text": plain(cut_inside(text, _SHOWN_CHOICE)), "value": value} for value, text in options.items()}
    element: Element = {"type": "static_select", "action_id": name, "options": list(shown.values())}
    if initial:
        element["initial_option"] = shown[initial]
    return {"type": "input", "block_id": name, "label": plain(label), "optional": optional, "element": element}


def _reasons(rules: OrderRules, category: str) -> Block:
    offered = {each: each for each in rules.reasons}
    return _select(OrderForm.CATEGORY, "Reason", offered, category, optional=not rules.reason_required)


def _channel_select(name: str, *, shared: bool) -> Block:
    element: Element = {
        "type": "conversations_select",
        "action_id": name,
        # Where a card can be decided: https://docs.slack.dev/reference/block-kit/composition-objects
        "filter": {"include": ["public", "private"], "exclude_external_shared_channels": not shared},
    }
    hint = "I post the card there. Choose a channel where the approvers are"
    return {"type": "input", "block_id": name, "label": plain("Channel"), "hint": plain(hint), "element": element}


def _selected(view: FormView, name: str, what: str) -> str:
    chosen = view.state.get("values", {}).get(name, {}).get(name, {}).get(what)
    return str((chosen.get("value") if isinstance(chosen, dict) else chosen) or "")


def _chosen_in(reason: str, reasons: Sequence[str]) -> tuple[str, str]:
    """Return the entry of the list with which a typed reason begins, as a part of its own, and the rest as a note."""
    first, sign, rest = reason.partition(":")
    for each in reasons:
        if trimmed(first).casefold() == each.casefold():
            return each, trimmed(rest) if sign else ""
    return "", reason


def _fitting(order_ids: Sequence[str]) -> list[str]:
    """Return as many of the order ids as a field takes and one request may have, and at least the first."""
    fitting = list(order_ids[:MOST_ORDERS])
    while len(fitting) > 1 and len("\n".join(fitting)) > REASON_LIMIT:
        fitting.pop()
    return fitting


def _left_out(found: int, shown: int) -> str:
    return f"⚠️ I found {found} order IDs. The form has room for these {shown}: make several requests."


def _value(view: FormView, name: str) -> str:
    return trimmed(_typed(view, name))


def _words(view: FormView, name: str) -> str:
    """Return what somebody typed for others to read."""
    return legible(_typed(view, name))


def _typed(view: FormView, name: str) -> str:
    return str(view.state.get("values", {}).get(name, {}).get(name, {}).get("value") or "")
