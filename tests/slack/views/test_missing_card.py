"""The words for a request without a card: the channel, the cause, and what to do."""

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain.cancellation import State
from bot.domain.delivery import MissingCard
from bot.slack.views import missing_card, receipt
from tests.domain.examples import changed
from tests.slack.views.samples import AT, BOT, CANCELLATION, shown

PROBLEMS = [
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "restricted_action",
    "restricted_action_read_only_channel",
    "no_permission",
    "message_limit_exceeded",
    "team_access_not_granted",
    "missing_scope",
    "ekm_access_denied",
    "token_revoked",
    "an_error_of_the_future",
]
CAUSES = [
    *(pytest.param(MissingCard(problem), id=problem) for problem in PROBLEMS),
    pytest.param(MissingCard("http_500", in_doubt=True), id="in doubt"),
    pytest.param(MissingCard("msg_too_long", given_up=True), id="given up"),
]
ANN_WAITS = changed(CANCELLATION, card_ts=None, card_link="", decisions=())


@pytest.mark.parametrize("missing", CAUSES)
def test_a_card_that_is_not_there_is_explained(missing: MissingCard, snapshot: SnapshotAssertion) -> None:
    """The requester reads the channel, what is wrong, and what to do, in the message and in its text."""
    message = missing_card.message(ANN_WAITS, missing, BOT)
    assert (shown(message), message.text) == snapshot
    assert "#payments" in shown(message)
    assert "<#C1>" in message.text
    assert "order ord_1" in message.text


@pytest.mark.parametrize("missing", CAUSES)
def test_the_receipt_says_the_same_and_can_be_withdrawn(missing: MissingCard) -> None:
    """One text serves one cause; the requester can take the request back."""
    message, own = missing_card.message(ANN_WAITS, missing, BOT), receipt.receipt(ANN_WAITS, missing, BOT)
    heading, *rows = shown(message).splitlines()
    assert shown(own).splitlines()[0] == heading
    assert [row for row in rows if row not in shown(own).splitlines()] == []
    assert all(part in own.text for part in message.text.split(". "))
    assert "[ Withdraw ]" in shown(own)
    assert "Open the card" not in shown(own)


@pytest.mark.parametrize("state", State)
def test_a_card_is_promised_for_its_own_channel_alone(state: State) -> None:
    """A setting that names another channel brings it nowhere; only a request that waits can be withdrawn."""
    text = shown(missing_card.message(changed(ANN_WAITS, state=state), MissingCard("channel_not_found"), BOT))
    assert "The card will appear by itself once I can post there." in text
    assert ("another channel by now, withdraw this request and ask again" in text) == (state is State.PENDING)


@pytest.mark.parametrize("given_up", [True, False])
@pytest.mark.parametrize(
    "state, can",
    [
        (State.PENDING, "Approvers can decide on their Home tabs, and on the card as long as they find it."),
        (State.APPROVED, "It may lack the buttons for what can be done now. You can stop it on your Home tab."),
        (State.UNKNOWN, "for what can be done now. Approvers can go on with it on their Home tabs."),
        (State.FAILED, "may lack the buttons"),
    ],
)
def test_a_card_that_is_out_of_date_is_not_called_missing(state: State, can: str, given_up: bool) -> None:
    """People can still act on it, and the receipt leads to it."""
    about = changed(CANCELLATION, state=state)
    missing = MissingCard("invalid_blocks", given_up=given_up, outdated=True)
    own, message = receipt.receipt(about, missing, BOT), missing_card.message(about, missing, BOT)
    for found in (own, message):
        for text in (shown(found), found.text):
            assert can in text
            assert "nobody can" not in text
            assert "has no card" not in text
    assert "Open the card" in shown(own)


@pytest.mark.parametrize("problem", ["not_in_channel", "channel_not_found"])
def test_an_invitation_names_the_bot(problem: str) -> None:
    """A person who types /invite needs to know whom."""
    message = missing_card.message(ANN_WAITS, MissingCard(problem), BOT)
    assert "/invite @cancel-desk" in shown(message)
    assert "<@U0BOT>" in message.text


@pytest.mark.parametrize("missing", CAUSES)
@pytest.mark.parametrize(
    "state, cannot",
    [
        (State.FAILED, "nobody can press Retry"),
        (State.UNKNOWN, "approvers can go on with it on their Home tabs only"),
        (State.APPROVED, "only you can stop it, on your receipt or your Home tab"),
        (State.SENDING, "nobody can stop it"),
    ],
)
def test_people_read_what_cannot_be_done_without_a_card(state: State, cannot: str, missing: MissingCard) -> None:
    """Approvers decide on their Home tabs as well; every other button is on the card alone."""
    pending = shown(missing_card.message(ANN_WAITS, missing, BOT))
    assert "approvers can decide on their Home tabs only" in pending
    assert ("expires" in pending) == missing.given_up
    later = changed(ANN_WAITS, state=state, due_at=AT, attempts=1)
    for text in (shown(missing_card.message(later, missing, BOT)), shown(receipt.receipt(later, missing, BOT))):
        assert cannot in text
        assert "expires" not in text
        assert "You can stop it" not in text  # that would be another way than the one above


def test_nobody_is_told_more_than_the_bot_knows_about_an_update() -> None:
    """Slack may have carried it out, and only its answer got lost."""
    missing = MissingCard("http_500", in_doubt=True, outdated=True)
    for found in (receipt.receipt(ANN_WAITS, missing, BOT), missing_card.message(ANN_WAITS, missing, BOT)):
        assert "⚠️ I can't tell whether your request's card is up to date" in shown(found)
        assert "is out of date" not in shown(found)
        assert "can't bring" not in shown(found)
