"""A freeze: an approver stops everything that could cancel an order, everybody sees it, and it ends."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Frozen, Unfrozen
from bot.domain.policy import Verdict
from bot.sandbox import gateway_answers
from bot.sandbox.faults import ApiError, Canned, Drop, Hang, broken
from bot.sandbox.person import as_seen
from bot.store import open_beside, open_reader, verify
from bot.workflow import Patience, freezing
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, LEADS, LOBBY, PAYMENTS, QUICK, Desk, quick_tuning

WHY = "The gateway cancels the wrong orders"


async def freeze(desk: Desk, why: str = WHY) -> None:
    """Let Ben freeze everything, and wait until the channel has read it."""
    await desk.ben.command(f"/cancel-order freeze {why}".strip(), LOBBY)
    await desk.wait(lambda: any("Everything is frozen" in text for text in public(desk)))


async def unfreeze(desk: Desk) -> str:
    """Let Cleo end it; return what the channel reads."""
    await desk.cleo.command("/cancel-order unfreeze", LOBBY)
    found: str = await desk.wait(lambda: next((text for text in public(desk) if "The freeze is over" in text), None))
    return found


def public(desk: Desk) -> list[str]:
    """Return what everybody in the channel reads there."""
    return [desk.ann.reads(message) for message in desk.slack.space.messages(LOBBY)]


async def test_everybody_reads_who_froze_everything_and_why(desk: Desk) -> None:
    """The channel of the command, the cards of open requests, /readyz and the record say it."""
    card = await desk.ask("ord_1")
    await freeze(desk)
    (told,) = public(desk)
    assert "Everything is frozen by @ben" in told
    assert WHY in told
    shown = await desk.card_says(card, "Everything is frozen by @ben")
    assert WHY in shown
    assert "/cancel-order unfreeze" in shown
    frozen = next(event for event in await desk.events() if isinstance(event.content, Frozen))
    assert (frozen.actor, frozen.words) == (BEN, {"why": WHY})
    async with asyncio.timeout(10):
        while not desk.running_bot.readiness().notes:  # noqa: ASYNC110 -- the bot looks at its own pace
            await asyncio.sleep(0.001)
    status, body = await desk.get("/readyz")
    assert status == HTTPStatus.OK
    (note,) = body["notes"]
    assert note.startswith(f"frozen by {BEN} since")
    assert WHY not in note


async def test_a_freeze_is_kept_before_it_is_acknowledged(quiet_desk: Desk) -> None:
    """Whoever saw no error of Slack's relies on it, also where the bot dies in the next moment."""
    desk = quiet_desk
    await desk.start_bot()
    for word, kind in (("freeze wrong prices", Frozen), ("unfreeze", Unfrozen)):
        await desk.cleo.command(f"/cancel-order {word}", LOBBY)
        assert isinstance((await desk.events())[-1].content, kind)


async def test_who_freezes_from_a_direct_message_reads_where_others_hear_of_it(quiet_desk: Desk) -> None:
    """Nobody else reads there, so no message is promised for it; without any channel they have to tell the others."""
    desk = quiet_desk
    await desk.start_bot(APPROVAL_CHANNEL="")
    alone = desk.slack.space.direct_channel(BEN).id
    await desk.ben.command("/cancel-order freeze", alone)
    told = await desk.told(desk.ben)
    assert told == "Done: everything is frozen. There is no channel in which I could say so: tell the others."
    await desk.ben.command("/cancel-order unfreeze", LOBBY)
    told = await desk.told(desk.ben, 2)
    assert told.startswith("Done: the freeze is over. I say so here and in the channels of the cards,")


async def test_nobodys_words_are_changed_for_a_contact(quiet_desk: Desk) -> None:
    """With CONTACT set, the bot names it in its own words; whoever froze everything may have written the same."""
    await quiet_desk.start_bot(CONTACT=BEN)
    card = await quiet_desk.ask("ord_1")
    await freeze(quiet_desk, "The bot's operator asked for it")
    await quiet_desk.cleo.click(card, "approve")
    told = await quiet_desk.told(quiet_desk.cleo)
    assert "“The bot's operator asked for it”" in told
    (announced,) = public(quiet_desk)
    assert "“The bot's operator asked for it”" in announced


async def test_where_the_cards_are_everybody_reads_it_wherever_it_was_typed(desk: Desk) -> None:
    """And its end is read as well in the channel where somebody froze everything by a command."""
    await freeze(desk)
    (begin,) = await announced(desk, 1)
    assert begin.startswith("🧊 Everything is frozen by @ben")
    assert WHY in begin
    assert "When it is over, I say so here, if I can still post here then." in begin
    await desk.cleo.command("/cancel-order unfreeze", PAYMENTS)
    assert (await desk.told(desk.cleo)).startswith("Done: the freeze is over. I say so here and in the channels of")
    assert (await announced(desk, 2))[1].startswith("The freeze is over: @cleo has ended it.")
    await desk.wait(lambda: len(public(desk)) == 2)
    assert public(desk)[1].startswith("The freeze is over: @cleo has ended it.")
    await proved(desk)


@pytest.mark.parametrize("word", ["freeze", "unfreeze"])
async def test_an_announcement_outlives_slacks_trouble_and_the_process(quiet_desk: Desk, word: str) -> None:
    """It is owed like a result: nobody learns in another way that everything stands still, or goes on."""
    desk = quiet_desk
    await desk.start_bot()
    if word == "unfreeze":
        await freeze(desk)
        await announced(desk, 1)
    known = len(desk.slack.space.messages(PAYMENTS))
    desk.slack.faults.always("chat.postMessage", broken(503))
    await desk.ben.command(f"/cancel-order {word}", PAYMENTS)
    await desk.told(desk.ben)
    await desk.stop_bot()
    desk.slack.faults.clear()
    await desk.start_bot()
    assert len(await announced(desk, known + 1)) == known + 1
    await desk.running_bot.worker.until_idle()
    assert len(desk.slack.space.messages(PAYMENTS)) == known + 1
    await proved(desk)


async def test_an_announcement_that_is_over_before_slack_takes_it_does_not_come(desk: Desk) -> None:
    """Nobody reads that everything is frozen after the end of that."""
    desk.slack.faults.always("chat.postMessage", ApiError("internal_error"))
    await desk.ben.command("/cancel-order freeze wrong list", PAYMENTS)
    await desk.wait(lambda: "chat.postMessage" in [each.method for each in desk.slack.calls])
    await desk.cleo.command("/cancel-order unfreeze", PAYMENTS)
    await desk.told(desk.cleo)
    desk.slack.faults.clear()
    (only,) = await announced(desk, 1)
    assert only.startswith("The freeze is over: @cleo has ended it.")
    await desk.running_bot.worker.until_idle()
    assert len(desk.slack.space.messages(PAYMENTS)) == 1
    await proved(desk)


async def test_a_freeze_at_the_terminal_is_announced(desk: Desk) -> None:
    """The operator tells nobody else, and cards change without a sound."""

    def at_the_terminal(content: Frozen | Unfrozen) -> None:
        with open_beside(desk.place) as tx:
            freezing.put(tx, content, "terminal:root", datetime.now(UTC))

    await asyncio.to_thread(at_the_terminal, Frozen(WHY))
    assert "Everything is frozen by an operator at the command line" in (await announced(desk, 1))[0]
    await asyncio.to_thread(at_the_terminal, Unfrozen())
    told = (await announced(desk, 2))[1]
    assert told.startswith("The freeze is over: an operator at the command line has ended it.")
    await proved(desk)


@pytest.mark.parametrize("word", ["freeze", "unfreeze"])
async def test_a_command_that_slack_brings_twice_acts_once(quiet_desk: Desk, word: str) -> None:
    """It would begin again what somebody has ended, or end what somebody else has begun since, and send orders."""
    desk = quiet_desk
    await desk.start_bot()
    if word == "unfreeze":
        await freeze(desk)
    payload = desk.ben.command_payload(f"/cancel-order {word}", LOBBY)
    known = len(public(desk))
    await desk.slack.deliver("slash_commands", payload)
    await desk.wait(lambda: len(public(desk)) > known)
    await desk.cleo.command(f"/cancel-order {'freeze two' if word == 'unfreeze' else 'unfreeze'}", LOBBY)
    await desk.wait(lambda: len(public(desk)) > known + 1)
    frozen = await desk.running_bot.workflow.frozen()
    await desk.slack.deliver("slash_commands", payload)
    told = await desk.told(desk.ben, 3 if word == "unfreeze" else 2)
    assert told.startswith("Slack has brought this command of yours before, so I have not carried it out again.")
    assert ("Everything is frozen by cleo" in told) == (word == "unfreeze")
    assert await desk.running_bot.workflow.frozen() == frozen
    assert await desk.refusal() == (BEN, "", Verdict.REPEATED)


async def test_people_of_another_company_do_not_read_why(desk: Desk) -> None:
    """No card is posted where they could read its reason, and neither is the reason of a freeze."""
    shared = desk.share(LOBBY).id
    await desk.ben.command("/cancel-order freeze our partner cheats", shared)
    assert (await desk.told(desk.ben)).startswith("Done: everything is frozen.")
    assert "our partner cheats" in (await announced(desk, 1))[0]
    await desk.running_bot.worker.until_idle()
    assert desk.slack.space.messages(shared) == []
    await proved(desk)


async def test_a_channel_without_the_bot_gets_no_message_and_the_person_an_answer(desk: Desk) -> None:
    """Nothing is tried there for ever, and the end is told where the cards are."""
    desk.slack.space.channels[LOBBY].members.discard(desk.slack.space.bot_user_id)
    for word, says in (("freeze", "Done: everything is frozen."), ("unfreeze", "Done: the freeze is over.")):
        await desk.ben.command(f"/cancel-order {word}", LOBBY)
        await desk.wait(lambda says=says: any(says in desk.ben.reads(each) for each in desk.ben.ephemerals))
    await announced(desk, 2)
    await desk.running_bot.worker.until_idle()
    assert public(desk) == []
    assert desk.running_bot.readiness().missing == []
    await proved(desk)


async def test_a_card_in_a_shared_channel_does_not_say_why(quiet_desk: Desk) -> None:
    """It was there before the channel was shared, and goes on to say that everything is frozen, and by whom."""
    desk = quiet_desk
    await desk.start_bot()
    card = await desk.ask("ord_1")
    channel = desk.share(PAYMENTS)
    await desk.stop_bot()
    await desk.start_bot()
    await desk.cleo.command("/cancel-order freeze the partner is under investigation", LOBBY)
    assert "partner" not in await desk.card_says(card, "Everything is frozen by @cleo")
    assert "the partner is under investigation" in desk.ann.reads(await desk.receipt("Everything is frozen by @cleo"))
    await desk.running_bot.worker.until_idle()
    assert len(desk.slack.space.messages(channel.id)) == 1


async def announced(desk: Desk, count: int) -> list[str]:
    """Return the messages in the channel of the cards, as soon as there are so many."""

    def look() -> list[str] | None:
        found = [desk.ann.reads(message) for message in desk.slack.space.messages(PAYMENTS)]
        return found if len(found) >= count else None

    found: list[str] = await desk.wait(look)
    return found


async def proved(desk: Desk) -> None:
    """Fail where the record, or what is owed by it, is not as it must be."""
    await desk.running_bot.worker.until_idle()
    with open_reader(desk.place) as tables:
        assert verify(tables).damage is None


async def test_nothing_is_asked_for_and_no_approval_counts_while_frozen(desk: Desk) -> None:
    """The person reads on the spot who froze it and why, and nothing has changed; it is on record."""
    card = await desk.ask("ord_1")
    await freeze(desk)
    await desk.ben.click(card, "approve")
    told = await desk.told(desk.ben, 2)
    assert "Everything is frozen by ben" in told
    assert WHY in told
    assert await desk.refusal() == (BEN, "ord_1", Verdict.FROZEN)
    await desk.ann.command("/cancel-order ord_2 twice", LOBBY)
    assert "Everything is frozen" in await desk.told(desk.ann)
    assert desk.ann.modal is None
    assert await desk.refusal() == (ANN, "", Verdict.FROZEN)
    assert await desk.state() is State.PENDING
    assert not desk.gateway.calls


async def test_a_form_that_was_open_before_is_refused_on_its_field(desk: Desk) -> None:
    """The text stays in the form, so that it can be sent again afterwards."""
    await desk.ann.command("/cancel-order ord_1 twice", LOBBY)
    await desk.wait(lambda: desk.ann.modal)
    await freeze(desk)
    errors = await desk.ann.submit()
    assert errors is not None
    assert errors["order_id"].startswith("Everything is frozen by ben, since")
    assert await desk.state() is None
    await unfreeze(desk)
    assert await desk.ann.submit() is None


async def test_marks_that_turn_the_line_do_not_reach_a_field(desk: Desk) -> None:
    """Slack shows a field's error as it is, so what somebody else typed must not turn the bot's own words round."""
    await desk.ann.command("/cancel-order ord_1 twice", LOBBY)
    await desk.wait(lambda: desk.ann.modal)
    await desk.ben.command("/cancel-order freeze see list \u202e.egnahc ecirp\u2066 gnorw", PAYMENTS)
    await desk.wait(lambda: desk.slack.space.messages(PAYMENTS))
    errors = await desk.ann.submit()
    assert errors is not None
    assert "see list .egnahc ecirp gnorw" in errors["order_id"]


async def test_a_failed_request_shows_that_nobody_can_press_retry_now(desk: Desk) -> None:
    """Its card and its receipt say so as long as everything is frozen, and no longer."""
    desk.gateway.faults.always("ord_1", gateway_answers.maintenance(0))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    await desk.ben.command("/cancel-order freeze wrong price list", LOBBY)
    await desk.card_says(card, "Until that is over, nobody can press Retry or ask again.")
    await desk.receipt("Until that is over, nobody can press Retry or ask again.")
    await desk.ben.command("/cancel-order unfreeze", LOBBY)
    await desk.wait(lambda: "frozen" not in desk.ann.reads(card))


async def test_people_can_still_reject_and_withdraw(desk: Desk) -> None:
    """Acts that cancel nothing go on."""
    first, second = await desk.ask("ord_1"), await desk.ask("ord_2")
    await freeze(desk)
    await desk.ann.click(first, "withdraw")
    await desk.card_says(first, "Withdrawn")
    await desk.ben.click(second, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason="no") is None
    assert "frozen" not in await desk.card_says(second, "Rejected")


@pytest.fixture(params=["socket", "http"])
async def patient_desk(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk whose bot does not run out of attempts."""
    pause = timedelta(seconds=0.05)
    patience = replace(QUICK, max_attempts=10_000, first_pause=pause, longest_pause=pause)
    await quiet_desk.start_bot(
        quick_tuning(patience=patience), **(quiet_desk.by_http if request.param == "http" else {})
    )
    return quiet_desk


async def test_an_approved_request_can_be_stopped_but_not_hurried(patient_desk: Desk) -> None:
    """Try now would send it, so a card that is out of date is refused it; Stop trying sends nothing."""
    desk = patient_desk
    await desk.gateway.stop()
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Try now ]")
    before = as_seen(card)
    await freeze(desk)
    assert "Try now" not in await desk.card_says(card, "Everything is frozen")
    await desk.ben.click(before, "try_now")
    assert "Everything is frozen by ben" in await desk.told(desk.ben, 2)
    await desk.ann.click(card, "stop")
    assert "nobody can press Retry or ask again" in await desk.card_says(card, "✋ Stopped by a person")
    assert not desk.gateway.calls


async def test_what_was_approved_waits_and_goes_out_when_the_freeze_is_over(patient_desk: Desk) -> None:
    """No call begins; whoever ends the freeze reads how many approved requests are due at the gateway now."""
    desk = patient_desk
    await desk.gateway.stop()
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "attempt")
    await freeze(desk)
    await desk.card_says(card, "Everything is frozen")
    await desk.gateway.start()
    await desk.running_bot.worker.until_idle()
    assert not desk.gateway.calls
    # The pause between two attempts is over by then, or it is not.
    assert re.search("1 approved request (due to go to the gateway|waiting for the time)", await unfreeze(desk))
    assert "frozen" not in await desk.card_says(card, "✅ Cancelled")
    assert [type(event.content) for event in await desk.events() if isinstance(event.content, Frozen | Unfrozen)] == [
        Frozen,
        Unfrozen,
    ]


async def test_the_end_of_a_freeze_names_what_waits_for_its_next_attempt(desk: Desk) -> None:
    """The gateway has asked for a pause, so this request does not go out now."""
    desk.gateway.faults.add("ord_1", Canned(503, b"{}", headers={"Retry-After": "600"}))
    card = await desk.ask("ord_1")
    before = as_seen(card)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "I ask again at")
    await freeze(desk)
    shown = await desk.card_says(card, "⏳ Approved: it waits, because everything is frozen")
    assert "I ask again" not in shown
    await desk.ben.click_as_seen(before, "reject")
    assert "it waits until the freeze is over. Everything is frozen by ben" in await desk.told(desk.ben, 2)
    told = await unfreeze(desk)
    assert re.search("approvals count. As of .*: 1 approved request waiting for the time of a next attempt.$", told)
    await desk.card_says(card, "I ask again at")
    assert len(desk.gateway.calls) == 1


async def test_a_call_that_has_begun_still_ends(desk: Desk) -> None:
    """Its answer is kept, and people read the result."""
    answers = asyncio.Event()
    desk.gateway.faults.add("ord_1", Hang(answers))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.gateway.wait_for(lambda: desk.gateway.calls)
    await freeze(desk)
    answers.set()
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("word", ["freeze", "unfreeze", "FREEZE", "Freeze because"])
async def test_only_approvers_freeze_and_unfreeze(desk: Desk, word: str) -> None:
    """Anybody else reads why not, alone, and it is on record."""
    await desk.ann.command(f"/cancel-order {word}", LOBBY)
    assert "Only approvers can stop everything or let it go on" in await desk.told(desk.ann)
    assert public(desk) == []
    assert await desk.refusal() == (ANN, "", Verdict.NOT_AN_APPROVER)


async def test_somebody_who_cannot_be_checked_freezes_nothing(quiet_desk: Desk) -> None:
    """Slack does not say who is in the group."""
    quiet_desk.slack.faults.always("usergroups.users.list", ApiError("internal_error"))
    await quiet_desk.start_bot(APPROVERS=LEADS)
    await quiet_desk.cleo.command("/cancel-order freeze", LOBBY)
    assert "Try again in a minute" in await quiet_desk.told(quiet_desk.cleo)
    assert public(quiet_desk) == []


async def test_a_second_freeze_names_the_first_and_an_end_without_one_says_so(desk: Desk) -> None:
    """Nobody takes somebody else's freeze for their own."""
    await desk.ben.command("/cancel-order unfreeze", LOBBY)
    assert "Nothing is frozen" in await desk.told(desk.ben)
    await freeze(desk)
    await desk.cleo.command("/cancel-order freeze", LOBBY)
    told = await desk.told(desk.cleo)
    assert "It was frozen already. Everything is frozen by ben" in told
    assert [event.content.why for event in await desk.events() if isinstance(event.content, Frozen)] == [WHY]


async def test_another_reason_is_told_to_everybody_and_ends_with_the_freeze(desk: Desk) -> None:
    """Who ends the first freeze has read why the second person wants everything to stand still."""
    card = await desk.ask("ord_1")
    await freeze(desk)
    await desk.cleo.command("/cancel-order freeze wrong price list", LOBBY)
    assert "Everything is frozen by @cleo" in await desk.card_says(card, "“wrong price list”")
    await desk.wait(lambda: any("frozen by @cleo" in text and "wrong price list" in text for text in public(desk)))
    await unfreeze(desk)
    await desk.wait(lambda: "frozen" not in desk.ann.reads(card))


async def test_a_freeze_outlives_the_process_and_a_lowered_quorum_waits_for_its_end(database: Path) -> None:
    """After a restart everything still stands; votes are counted once the freeze is over."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="2")
        card = await desk.ask("ord_1")
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "1 of 2")
        await freeze(desk)
        await desk.card_says(card, "Everything is frozen")
        await desk.running_bot.worker.until_idle()
        await desk.stop_bot()
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="1")
        await desk.running_bot.connection.ready.wait()
        await desk.running_bot.worker.until_idle()
        assert not desk.gateway.calls
        told = await unfreeze(desk)
        assert "1 other request with enough approvals if all of them count by the settings of then." in told
        assert "1 of 1 approval: @ben" in await desk.card_says(card, "✅ Cancelled")


async def test_no_word_of_a_freeze_becomes_alive(desk: Desk) -> None:
    """A reason that somebody types mentions nobody."""
    card = await desk.ask("ord_1")
    await freeze(desk, "<!channel> & <@U0OLGA> *now*")
    shown = await desk.card_says(card, "Everything is frozen")
    assert "<!channel> & <@U0OLGA> *now*" in shown
    assert card.channel == PAYMENTS


@pytest.mark.parametrize("twice", [False, True])
async def test_no_freeze_is_the_last_word_once_it_is_over(database: Path, clock: Clock, twice: bool) -> None:
    """Slack took the announcement without an answer, and shows it late, or twice: a minute later it goes."""
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock, patience=Patience()), APPROVAL_CHANNEL=LOBBY)
        desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
        desk.slack.history.lag = timedelta(days=1)
        await freeze(desk)
        await desk.running_bot.worker.until_idle()
        if twice:
            clock.advance(seconds=5)
            await desk.running_bot.worker.until_idle()
        assert len(public(desk)) == 1 + twice
        await desk.cleo.command("/cancel-order unfreeze", LOBBY)
        await desk.wait(
            lambda: any("Done: the freeze is over." in desk.cleo.reads(each) for each in desk.cleo.ephemerals)
        )
        desk.slack.history.lag = timedelta(0)
        for seconds in (5, 61):
            clock.advance(seconds=seconds)
            await desk.running_bot.worker.until_idle()
        assert [text for text in public(desk) if "Everything is frozen" in text][twice:] == []
        assert "The freeze is over" in public(desk)[-1]
        await proved(desk)
