"""The forms: Slack takes them, and what people typed comes back as they typed it."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain.cancellation import State
from bot.domain.policy import Surface
from bot.domain.words import ERASED
from bot.sandbox.blockkit import problems_with_view
from bot.slack.payloads import FormView
from bot.slack.views.modals import (
    Order,
    OrderForm,
    OrderRules,
    OrderStart,
    RejectForm,
    SettleForm,
    View,
    form_no_longer_in_use,
    form_not_read,
    notice,
)
from bot.slack.views.text import legible, trimmed, words
from tests.domain.examples import changed
from tests.slack.views.samples import ANY_TEXT, CANCELLATION

UNKNOWN = changed(CANCELLATION, state=State.UNKNOWN)


def texts(view: View) -> list[str]:
    """Return every text of a form, from its title to its buttons."""
    found = [view["title"]["text"]]
    for block in view["blocks"]:
        found += [block["label"]["text"], *([block["hint"]["text"]] if "hint" in block else [])]
    return [*found, view["submit"]["text"], view["close"]["text"]]


def filled_in(view: View, **values: str) -> FormView:
    """Return the form as Slack sends it back with these values."""
    state = {name: {name: {"type": "plain_text_input", "value": text}} for name, text in values.items()}
    return FormView(
        id="V1", type="modal", callback_id=view["callback_id"], private_metadata=view["private_metadata"],
        state={"values": state},
    )  # fmt: skip


@given(
    answer=st.sampled_from(["", "https://hooks.slack.com/commands/T1/1/x"]),
    order=ANY_TEXT,
    reason=ANY_TEXT,
    source=st.sampled_from(["", "https://x.slack.com/archives/C1/p1516229207000133"]),
    cancelled=st.booleans(),
)
def test_forms_come_back_as_they_were_filled_in(
    answer: str, order: str, reason: str, source: str, cancelled: bool
) -> None:
    """Slack takes the forms, and the texts are read back without white space and invisible characters at their ends."""
    view = OrderForm.build(OrderStart("C1", (order,), reason, answer, source), OrderRules())
    assert problems_with_view(view) == []
    sent = filled_in(view, order_id=order, reason=reason)
    assert OrderForm.parse(sent) == Order(
        "C1", channel_chosen=False, order_ids=trimmed(order), category="", reason=legible(reason),
        offers_reasons=False, answer=answer, source=source,
    )  # fmt: skip
    view = RejectForm.build(changed(CANCELLATION, order_id=order), Surface.HOME)
    assert problems_with_view(view) == []
    assert RejectForm.parse(filled_in(view, reason=reason)) == (CANCELLATION.id, Surface.HOME, legible(reason))
    view = SettleForm.build(changed(UNKNOWN, order_id=order), cancelled=cancelled, surface=Surface.HOME)
    assert problems_with_view(view) == []
    assert SettleForm.parse(filled_in(view, how=reason)) == (
        cancelled,
        CANCELLATION.id,
        CANCELLATION.version,
        0,
        legible(reason),
        Surface.HOME,
    )


def test_nobody_can_enter_the_mark_of_erased_words() -> None:
    """Else a reason that somebody typed would count as erased. The command's text goes through a form as well."""
    view = OrderForm.build(OrderStart("C1", ("ord_1",), ERASED), OrderRules())
    typed = [
        OrderForm.parse(filled_in(view, order_id="ord_1", reason=ERASED)).reason,
        RejectForm.parse(filled_in(RejectForm.build(CANCELLATION, Surface.CARD), reason=ERASED))[-1],
        SettleForm.parse(filled_in(SettleForm.build(UNKNOWN, cancelled=True, surface=Surface.CARD), how=ERASED)).how,
    ]
    assert ERASED not in typed


@pytest.mark.parametrize("state", [{}, {"values": {}}, {"values": {"other": {"other": {"value": "x"}}}}])
def test_a_field_that_is_missing_is_empty(state: dict[str, Any]) -> None:
    """Slack sends null for an empty field, and an older version's form may lack it."""
    view = FormView(id="V1", type="modal", callback_id="settle", private_metadata="cancelled c0ffee", state=state)
    assert SettleForm.parse(view) == (True, "c0ffee", 0, None, "", Surface.CARD)
    order = OrderForm.parse(view)
    assert (order.channel, order.order_ids, order.category, order.reason) == ("cancelled c0ffee", "", "", "")


def test_the_words_of_the_forms(snapshot: SnapshotAssertion) -> None:
    """The forms say what happens to what is typed into them."""
    forms = [
        OrderForm.build(OrderStart("C1"), OrderRules()),
        OrderForm.build(OrderStart("C1"), OrderRules(example="INV-17")),
        OrderForm.build(OrderStart(""), OrderRules(reasons=("fraud",))),
        RejectForm.build(CANCELLATION, Surface.CARD),
        SettleForm.build(UNKNOWN, cancelled=True, surface=Surface.CARD),
        SettleForm.build(UNKNOWN, cancelled=False, surface=Surface.CARD),
    ]
    assert [texts(form) for form in forms] == snapshot


def test_a_form_of_an_older_version_is_replaced_by_a_notice() -> None:
    """Slack takes the form that says that another one is no longer in use."""
    assert problems_with_view(form_no_longer_in_use()) == []
    assert problems_with_view(form_not_read()) == []
    assert "This form is no longer in use." in str(form_no_longer_in_use())
    assert problems_with_view(notice([words("No.")])) == []


@pytest.mark.parametrize("channel", ["C1", ""])
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("reasons", [(), ("fraud",), tuple(f"{number} {'x' * 71}" for number in range(100))])
def test_the_form_with_any_settings_is_one_that_slack_takes(
    channel: str, required: bool, reasons: tuple[str, ...]
) -> None:
    """It has a menu of reasons where there is a list, and one of channels where nobody knows one."""
    rules = OrderRules("ord_1", reasons, required, allow_shared_channels=required)
    view = OrderForm.build(OrderStart(channel, ("ord_1",), reasons[0] if reasons else "why"), rules)
    assert problems_with_view(view) == []
    names = ["order_id", *(["category"] if reasons else []), "reason", *([] if channel else ["channel"])]
    assert [block["block_id"] for block in view["blocks"]] == names


@pytest.mark.parametrize("length, shown", [(5, 50), (64, 46), (255, 11)])
def test_ids_that_do_not_fit_are_left_out_whole_and_named(length: int, shown: int) -> None:
    """The field has room for so many characters, and half an id would be another order."""
    order_ids = tuple(f"{number:0{length}}" for number in range(60))
    notice, field, *_ = OrderForm.build(OrderStart("C1", order_ids), OrderRules())["blocks"]
    assert tuple(field["element"]["initial_value"].splitlines()) == order_ids[:shown]
    assert f"I found 60 order IDs. The form has room for these {shown}" in str(notice)
