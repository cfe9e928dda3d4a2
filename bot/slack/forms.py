"""The forms: what each one looks like, and reading it back."""

from typing import Any

from bot.domain.cancellation import Cancellation
from bot.slack.payloads import FormView
from bot.slack.text import Block, Element, cut, lines, plain, words

REASON_LIMIT = 3000
"""How long a reason may be: the most that a Slack text field takes."""

View = dict[str, Any]


class OrderForm:
    """The form behind ``/cancel-order``."""

    CALLBACK = "cancel_order"
    ORDER = "order_id"
    REASON = "reason"

    @classmethod
    def build(cls, *, channel: str, order_id: str, reason: str) -> View:
        """The form, filled in with what was typed behind the command."""
        return _modal(
            cls.CALLBACK,
            "Cancel an order",
            "Ask for approval",
            channel,
            _input(cls.ORDER, "Order id", order_id, hint="As the gateway knows it, such as ord_abc123xyz"),
            _input(
                cls.REASON,
                "Reason",
                reason,
                optional=True,
                multiline=True,
                hint="Approvers see it, it goes to the gateway, and it stays on record",
            ),
        )

    @classmethod
    def parse(cls, view: FormView) -> tuple[str, str, str]:
        """Channel, trimmed order id and trimmed reason of a submitted form."""
        return view.private_metadata, _value(view, cls.ORDER), _value(view, cls.REASON)


class RejectForm:
    """The form behind the Reject button."""

    CALLBACK = "reject_reason"
    REASON = "reason"

    @classmethod
    def build(cls, cancellation: Cancellation) -> View:
        """The form that asks why."""
        label = f"Why is the cancellation of {cut(cancellation.order_id, 60)} rejected?"
        return _modal(
            cls.CALLBACK,
            "Reject",
            "Reject",
            cancellation.id,
            _input(cls.REASON, label, "", multiline=True, hint="The requester sees it, and it stays on record"),
        )

    @classmethod
    def parse(cls, view: FormView) -> tuple[str, str]:
        """Cancellation id and trimmed reason of a submitted form."""
        return view.private_metadata, _value(view, cls.REASON)


def notice_view(title: str, text: str) -> View:
    """A modal that only tells something."""
    return {
        "type": "modal",
        "title": plain(cut(title, 24)),
        "close": plain("Close"),
        "blocks": [lines([words(text)])],
    }


def _modal(callback: str, title: str, submit: str, metadata: str, *blocks: Block) -> View:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Never mind"),
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


def _value(view: FormView, name: str) -> str:
    return str(view.state.get("values", {}).get(name, {}).get(name, {}).get("value") or "").strip()
