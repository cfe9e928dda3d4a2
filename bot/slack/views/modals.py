"""The forms: how each one looks, and how it is read back."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bot.domain.cancellation import State
from bot.domain.ids import LONGEST_ORDER_ID
from bot.domain.policy import Surface
from bot.domain.request import Request
from bot.slack.payloads import FormView
from bot.slack.views import orders
from bot.slack.views.text import Block, Element, cut, lines, plain, trimmed, words

REASON_LIMIT = 3000
"""The most characters that a Slack text field takes."""

View = dict[str, Any]


class OrderForm:
    """The form behind ``/cancel-order``."""

    CALLBACK = "cancel_order"
    ORDER = "order_id"
    REASON = "reason"

    @classmethod
    def build(
        cls, *, channel: str, order_ids: Sequence[str], reason: str, example: str | None = None, answer: str = ""
    ) -> View:
        """Return the form, filled in with the text behind the command; ``example`` is an order id.

        ``answer`` is the address for answers in the place where the command was typed.
        """
        shown = f", for example {example}" if example else ""
        return _modal(
            cls.CALLBACK,
            "Cancel an order",
            "Ask for approval",
            f"{channel}\n{answer}".strip(),
            _input(
                cls.ORDER,
                "Order ID",
                "\n".join(order_ids),
                multiline=True,
                hint=f"Use the order ID from the console{shown}. For several orders, write one a line",
            ),
            _input(
                cls.REASON,
                "Reason",
                reason,
                optional=True,
                multiline=True,
                hint="Approvers see it, the gateway gets it, and it stays on record",
            ),
        )

    @classmethod
    def address(cls, view: FormView) -> str:
        """Return the address for answers in the place where the command was typed, or an empty text."""
        return view.private_metadata.partition("\n")[2]

    @classmethod
    def parse(cls, view: FormView) -> tuple[str, str, str]:
        """Return channel, trimmed order ids and trimmed reason of a submitted form."""
        return view.private_metadata.partition("\n")[0], _value(view, cls.ORDER), _value(view, cls.REASON)


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
        return request_id, Surface.HOME if surface == Surface.HOME else Surface.CARD, _value(view, cls.REASON)


class SettleForm:
    """The form behind the buttons for an unknown outcome that somebody looked up at the gateway."""

    CALLBACK = "settle"
    ORDER = "order"
    HOW = "how"
    CANCELLED, NOT_CANCELLED = "cancelled", "not_cancelled"

    @classmethod
    def build(cls, request: Request, *, cancelled: bool) -> View:
        """Return the form that asks how the person knows, and of which order, if several are unknown."""
        found = "is cancelled" if cancelled else "is not cancelled"
        finding = cls.CANCELLED if cancelled else cls.NOT_CANCELLED
        unknown = [each.order_id for each in request.cancellations if each.state is State.UNKNOWN]
        which = [_select(cls.ORDER, "Which order?", unknown)] if len(unknown) > 1 else []
        # A statement about money has no default: one order is named by the form itself, one of several by the person.
        order, named = ("it", "") if which else (cut(unknown[0], 60), unknown[0][:LONGEST_ORDER_ID])
        return _modal(
            cls.CALLBACK,
            "Settle by hand",
            "Settle",
            f"{finding} {request.id} {request.version}\n{named}",
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
        about, _, order_id = view.private_metadata.partition("\n")
        found, _, about = about.partition(" ")
        request_id, _, version = about.partition(" ")
        if cls.has_choice(view):
            order_id = _chosen(view, cls.ORDER)
        finding = {cls.CANCELLED: True, cls.NOT_CANCELLED: False}.get(found)
        return Finding(finding, request_id, version, order_id, _value(view, cls.HOW))

    @classmethod
    def has_choice(cls, view: FormView) -> bool:
        """Return True for a form with several orders to choose from."""
        return cls.ORDER in view.state.get("values", {})


class Finding(NamedTuple):
    """A statement about an order whose outcome is unknown, and the version of the request that the person saw.

    ``cancelled`` is None where the form says neither: a statement about money has no default.
    """

    cancelled: bool | None
    request_id: str
    seen: str
    order_id: str
    how: str


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


def _select(name: str, label: str, options: Sequence[str]) -> Block:
    shown = [{"text": plain(cut(each, 75)), "value": each} for each in options]
    element: Element = {"type": "static_select", "action_id": name, "options": shown}
    return {"type": "input", "block_id": name, "label": plain(label), "element": element}


def _chosen(view: FormView, name: str) -> str:
    """Return the value of the option that was chosen in a select; empty where none was."""
    field = view.state.get("values", {}).get(name, {}).get(name, {})
    return str((field.get("selected_option") or {}).get("value") or "")


def _value(view: FormView, name: str) -> str:
    return trimmed(str(view.state.get("values", {}).get(name, {}).get(name, {}).get("value") or ""))
