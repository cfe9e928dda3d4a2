"""Reasons from a list: the form offers them, and nothing else is taken for one of them."""

import csv
import io
import json
from typing import Any

import pytest

from bot.domain.events import Requested
from bot.domain.policy import Verdict
from bot.sandbox.workspace import OpenView
from tests.flows.desk import LOBBY, VERA, Desk

LIST = "duplicate payment, customer request, fraud"


@pytest.fixture(params=["socket", "http"])
def transport(quiet_desk: Desk, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the changes of the settings for each of the two modes."""
    return quiet_desk.by_http if request.param == "http" else {}


async def opened(desk: Desk, text: str = "ord_1") -> OpenView:
    """Return the form behind a command."""
    await desk.ann.command(f"/cancel-order {text}", LOBBY)
    form: OpenView = await desk.wait(lambda: desk.ann.modal)
    return form


def fields(form: OpenView) -> dict[str, dict[str, Any]]:
    """Return the form's inputs by their names."""
    return {block["block_id"]: block for block in form.view["blocks"] if block["type"] == "input"}


async def send(desk: Desk, form: OpenView, chosen: object) -> dict[str, str] | None:
    """Send the form with this in the place of the chosen reason; return its errors."""
    payload = desk.ann.submission_payload(form, {"category": "fraud"})
    payload["view"]["state"]["values"]["category"]["category"]["selected_option"] = chosen
    return desk.ann.answer_form(form, await desk.slack.deliver("interactive", payload))


async def requested(desk: Desk) -> list[Requested]:
    """Return the requests on record."""
    return [event.content for event in await desk.events() if isinstance(event.content, Requested)]


async def test_the_reason_and_the_note_are_one_text_everywhere(quiet_desk: Desk, transport: dict[str, str]) -> None:
    """The approvers read what the gateway gets; the record has the entry of the list by itself."""
    await quiet_desk.start_bot(REASONS=LIST, **transport)
    form = await opened(quiet_desk)
    labels = {name: (block["label"]["text"], block["optional"]) for name, block in fields(form).items()}
    assert labels == {"order_id": ("Order ID", False), "category": ("Reason", True), "reason": ("Note", True)}
    offered = [each["text"]["text"] for each in fields(form)["category"]["element"]["options"]]
    assert offered == ["duplicate payment", "customer request", "fraud"]
    assert await quiet_desk.ann.submit(category="duplicate payment", reason=" paid by card and QR ") is None
    text = "duplicate payment: paid by card and QR"
    card = await quiet_desk.card("ord_1")
    assert f"> {text}" in quiet_desk.ann.reads(card)
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")
    assert json.loads(quiet_desk.gateway.calls[0].body)["reason"] == text
    assert [(each.category, each.reason) for each in await requested(quiet_desk)] == [("duplicate payment", text)]


@pytest.mark.parametrize(
    "chosen, note, reason",
    [("fraud", "", "fraud"), ("", "called twice", "called twice"), ("", "", ""), ("fraud", "\u200b ", "fraud")],
)
async def test_each_part_may_be_left_out(quiet_desk: Desk, chosen: str, note: str, reason: str) -> None:
    """A reason of the list needs no note, and by default nobody needs a reason."""
    await quiet_desk.start_bot(REASONS=LIST)
    await opened(quiet_desk)
    assert await quiet_desk.ann.submit(category=chosen, reason=note) is None
    assert [(each.category, each.reason) for each in await requested(quiet_desk)] == [(chosen, reason)]


@pytest.mark.parametrize(
    "typed, chosen, note",
    [
        ("Fraud", "fraud", ""),
        ("duplicate payment: by card", "duplicate payment", "by card"),
        ("FRAUD : stolen card", "fraud", "stolen card"),
        ("fraud suspicion", None, "fraud suspicion"),
        ("customer: request", None, "customer: request"),
        ("", None, ""),
    ],
)
async def test_a_typed_reason_of_the_list_is_chosen(
    quiet_desk: Desk, typed: str, chosen: str | None, note: str
) -> None:
    """It counts as one only where it stands by itself or before a colon; the form shows what was understood."""
    await quiet_desk.start_bot(REASONS=LIST)
    form = fields(await opened(quiet_desk, f"ord_1 {typed}"))
    initial = form["category"]["element"].get("initial_option")
    assert (initial and initial["value"], form["reason"]["element"].get("initial_value", "")) == (chosen, note)


async def test_a_required_reason_is_one_of_the_list(quiet_desk: Desk, transport: dict[str, str]) -> None:
    """Slack's form does not send without it; one that comes all the same is told so on the field."""
    await quiet_desk.start_bot(REASONS=LIST, REASON_REQUIRED="true", **transport)
    form = await opened(quiet_desk)
    assert [(name, block["optional"]) for name, block in fields(form).items()] == [
        ("order_id", False),
        ("category", False),
        ("reason", True),
    ]
    with pytest.raises(ValueError, match="category must be filled in"):
        await quiet_desk.ann.submit(reason="called twice")
    wanted = {"category": "Your team asks for a reason with every request. Give one."}
    assert await send(quiet_desk, form, None) == wanted
    assert (await quiet_desk.refusal())[2] is Verdict.REASON_MISSING
    assert await requested(quiet_desk) == []
    assert await quiet_desk.ann.submit(category="fraud") is None


async def test_a_required_reason_without_a_list_is_any_words(quiet_desk: Desk, transport: dict[str, str]) -> None:
    """White space and invisible characters are no reason."""
    await quiet_desk.start_bot(REASON_REQUIRED="true", **transport)
    form = await opened(quiet_desk)
    assert {name: block["optional"] for name, block in fields(form).items()} == {"order_id": False, "reason": False}
    wanted = {"reason": "Your team asks for a reason with every request. Give one."}
    assert await quiet_desk.ann.submit(reason=" \u200b\u2800 ") == wanted
    assert (await quiet_desk.refusal())[2] is Verdict.REASON_MISSING
    assert await quiet_desk.ann.submit(reason="typed twice") is None
    assert [each.reason for each in await requested(quiet_desk)] == ["typed twice"]


@pytest.mark.parametrize(
    "chosen",
    [{"value": "refund to me"}, {"value": "FRAUD"}, {"value": "fraud: x"}, {"value": 7}, "refund to me", ["fraud"]],
    ids=str,
)
async def test_what_was_never_offered_is_refused_on_the_field(
    quiet_desk: Desk, transport: dict[str, str], chosen: object
) -> None:
    """Whatever comes back in the place of the choice, only an entry of the list is kept."""
    await quiet_desk.start_bot(REASONS=LIST, **transport)
    form = await opened(quiet_desk)
    errors = await send(quiet_desk, form, chosen)
    assert errors is not None
    assert errors["category"].startswith("This reason is no longer in the list.")
    assert (await quiet_desk.refusal())[2] is Verdict.NO_SUCH_REASON
    assert await requested(quiet_desk) == []
    assert await send(quiet_desk, form, {"value": "fraud"}) is None


@pytest.mark.parametrize(
    "now, field, words",
    [
        ({"REASONS": "chargeback"}, "category", "no longer in the list"),
        ({"REASONS": "", "REASON_REQUIRED": "true"}, "category", "no longer in the list"),
    ],
)
async def test_a_list_that_changed_while_the_form_was_open(
    quiet_desk: Desk, now: dict[str, str], field: str, words: str
) -> None:
    """The list of today counts, and the form says what to do."""
    await quiet_desk.start_bot(REASONS=LIST)
    await opened(quiet_desk)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(**now)
    errors = await quiet_desk.ann.submit(category="fraud")
    assert errors is not None
    assert words in errors[field]
    assert await requested(quiet_desk) == []


async def test_a_form_without_the_list_that_is_required_now(quiet_desk: Desk) -> None:
    """Nobody can choose in it, so the person reads to open it again."""
    await quiet_desk.start_bot()
    await opened(quiet_desk)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(REASONS=LIST, REASON_REQUIRED="true")
    errors = await quiet_desk.ann.submit(reason="fraud")
    assert errors is not None
    assert errors["order_id"].endswith("Close the form, and open it again.")
    assert await requested(quiet_desk) == []


async def test_a_reason_that_no_card_can_show_counts_with_its_entry(quiet_desk: Desk) -> None:
    """The note is told to be shorter, and the entry stays as it is."""
    await quiet_desk.start_bot(REASONS=LIST)
    await opened(quiet_desk)
    errors = await quiet_desk.ann.submit(category="fraud", reason="&" * 3000)
    assert errors is not None
    assert "Shorten the reason" in errors["reason"]
    assert await quiet_desk.ann.submit(category="fraud", reason="&" * 300) is None


async def test_look_ups_and_files_know_the_reasons(quiet_desk: Desk, transport: dict[str, str]) -> None:
    """A reason of the list is a filter, in any case and with other filters; the file has it in a column."""
    await quiet_desk.start_bot(REASONS=LIST, AUDITORS=VERA, **transport)
    for order, chosen in (("ord_1", "duplicate payment"), ("ord_2", "fraud"), ("ord_3", "")):
        await opened(quiet_desk, order)
        assert await quiet_desk.ann.submit(category=chosen, reason="checked") is None
    vera = quiet_desk.vera
    await vera.command("/cancel-audit Duplicate  Payment pending", LOBBY)
    told = await quiet_desk.told(vera)
    assert "ord_1" in told
    assert "1 of 1 order" in told
    assert "ord_2" not in told
    await vera.command("/cancel-audit order:fraud", LOBBY)
    assert "No request for an order fraud is on record" in await quiet_desk.told(vera, 2)
    await vera.command("/cancel-audit fraud csv", LOBBY)
    (row,) = csv.DictReader(io.StringIO((await quiet_desk.file(vera)).content.decode()))
    assert (row["order"], row["category"], row["reason"]) == ("ord_2", "fraud", "fraud: checked")
    await quiet_desk.olga.command("/cancel-audit fraud", LOBBY)
    assert "ord_2" not in await quiet_desk.told(quiet_desk.olga)
