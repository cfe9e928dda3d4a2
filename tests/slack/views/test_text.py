"""Text for Slack: cut, escaped and quoted, and never interpreted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.cancellation import Choice, Decision, State
from bot.domain.events import Rejected, Voted
from bot.domain.freeze import Freeze
from bot.domain.policy import Scope
from bot.sandbox.blockkit import counted
from bot.slack.views import audit_page, card, notices, outcomes, receipt, results
from bot.slack.views.presentation import NO_SETTINGS
from bot.slack.views.text import (
    OPERATOR,
    addressed,
    cut,
    cut_to_weight,
    escape,
    flat,
    invisible,
    legible,
    link,
    listed,
    moment,
    mrkdwn,
    person,
    plain,
    quote,
    quoted,
    sentence,
    tame,
    trimmed,
    weight,
    words,
)
from bot.store import Page
from bot.workflow import Found
from tests.domain.examples import changed
from tests.slack.views.samples import AT, BOT, CANCELLATION, event_of


@pytest.mark.parametrize("text, cut_text", [("", ""), ("abc", "abc"), ("abcd", "ab…")])
def test_a_text_is_cut_to_its_limit(text: str, cut_text: str) -> None:
    """A text that is too long ends in an ellipsis, which counts."""
    assert cut(text, 3) == cut_text


def test_three_characters_are_escaped_for_mrkdwn() -> None:
    """They would begin mentions, links and entities."""
    assert escape("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


@pytest.mark.parametrize("text, line", [("a\n b\t\tc ", "“a b c”"), ("abcdefgh", "“abcde…”"), (" \n", ""), ("", "")])
def test_words_of_people_are_quoted_on_one_line(text: str, line: str) -> None:
    """A reason of several lines does not break a list, and no reason is no quotation."""
    assert quoted(text, 6) == line
    assert flat(text) == " ".join(text.split())


@pytest.mark.parametrize("mark", '"“”„‟«»❝❞〝〞〟\uff02')
def test_no_words_of_people_end_their_quotation(mark: str) -> None:
    """What follows a mark inside would read like words of the bot."""
    typed = f"typo{mark}. ✅ Cancelled. {mark}x"
    assert quoted(typed, 200) == "“typo'. ✅ Cancelled. 'x”"
    about = changed(CANCELLATION, reason=typed, order_id="ord_1")
    stopped = changed(about, state=State.REJECTED, decisions=(Decision("U0BEN", Choice.REJECT, typed, AT),))
    said = [
        card.card(about).text,
        receipt.receipt(about, None, BOT).text,
        card.card(replace(about, freeze=Freeze("U0BEN", AT, typed))).text,
        results.reply(stopped, event_of(Rejected(typed))).text,
        notices.notice(about, event_of(Voted(1, 2)), NO_SETTINGS, AT).text,
        outcomes.said(Answer(Outcome.UNKNOWN, trouble=Trouble.NO_CONFIRMATION, message=typed)),
    ]
    assert all("“typo'. ✅ Cancelled. 'x”" in text for text in said)
    page = Found(Page([about], None, total=1), Scope.ALL, None, at=AT)
    assert "“typo'. ✅ Cancelled. 'x”" in audit_page.page(page, "").text


def test_slack_takes_no_empty_text() -> None:
    """A dash takes the place of a text that is empty."""
    assert words("") == {"type": "text", "text": "-"}
    assert words("x", bold=True) == {"type": "text", "text": "x", "style": {"bold": True}}


def test_parts_are_joined_with_what_is_between_them() -> None:
    """There is nothing before the first part and after the last one."""
    assert listed([]) == []
    assert [element["text"] for element in listed([[words("a")], [words("b"), words("c")]], " · ")] == [
        "a", " · ", "b", "c",
    ]  # fmt: skip


def test_a_link_without_an_address_is_nothing() -> None:
    """A card that is not posted has no address."""
    assert link("", "card") == []
    assert link("https://x", "card") == [{"type": "link", "url": "https://x", "text": "card"}]


@pytest.mark.parametrize(
    "text",
    [
        "ord_1",
        " ord_1\n",
        "\u200bord_1\u200b",
        "\ufefford_1",
        "\u2060 \u00a0ord_1\u2009\u200e",
        "\u202aord_1\u202c",
        "\tord_1\u00ad",
        "\u3164ord_1\ufe0f",
    ],
)
def test_what_people_cannot_see_is_dropped_at_the_ends(text: str) -> None:
    """Text that was copied from a page or a chat often brings such characters with it."""
    assert trimmed(text) == "ord_1"


def test_what_is_inside_a_text_stays() -> None:
    """Only the ends are trimmed: what is inside may be meant, and the error names it."""
    assert trimmed(" a\u200bb \u00a0 c ") == "a\u200bb \u00a0 c"
    assert trimmed("") == trimmed(" \u200b\n") == ""


@pytest.mark.parametrize(
    "typed, left",
    [
        ("typed \U000e0074\U000e0077twice", "typed twice"),
        ("not \u202ednufer\u202c ok", "not dnufer ok"),
        ("a\x00b\x1b[1m", "ab[1m"),
        ("cut in the middle \ud83d", "cut in the middle"),
        ("one\r\ntwo\u2028three\tfour ", "one\ntwo\nthree\tfour"),
        ("a\U000e0100\U000e0153b\u3164c\ufff1d", "abcd"),
        ("a\u200b\u200c\u200b\u200c\u200db\ufe0e c", "ab c"),
        ("\u1798\u200b\u200c\u200b\u200c\u200d\u17d2", "\u1798\u200b\u200c\u17d2"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\u1798\u17d2\u178a\u1784\u200b\u1791\u17c0\u178f", "\u1798\u17d2\u178a\u1784\u200b\u1791\u17c0\u178f"),
    ],
)
def test_nothing_is_hidden_in_what_people_typed(typed: str, left: str) -> None:
    """Only what others can read is left, with what some scripts and emoji need."""
    assert legible(typed) == left
    assert tame(left) == left


@pytest.mark.parametrize("character", ["a", "_", "-", "é", "ក", "中", "😀"])
def test_letters_and_signs_are_visible(character: str) -> None:
    """Nothing that people can see is dropped."""
    assert not invisible(character)


@given(text=st.text(max_size=300))
def test_a_text_weighs_what_slack_counts(text: str) -> None:
    """The weight is the length of the text as JSON with entities, as the local Slack counts it."""
    text = tame(text) or "-"
    frame = counted([quote("-")]) - 1
    assert frame + weight(text) == counted([quote(text)])


@pytest.mark.parametrize("text", ["a" * 100, "&" * 100, "\n" * 100, '"' * 100, "a&<>" * 25, "", "ab"])
@pytest.mark.parametrize("limit", [20, 50, 1000])
def test_a_text_is_cut_to_its_weight(text: str, limit: int) -> None:
    """A text that is too heavy ends in an ellipsis; any other stays as it is."""
    found = cut_to_weight(text, limit)
    assert weight(found) <= limit
    assert found == text if weight(text) <= limit else found.endswith("…") and text.startswith(found[:-1])


def test_a_time_falls_back_to_utc() -> None:
    """Slack shows it in the reader's own time zone, and older clients show UTC."""
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    there = at.astimezone(timezone(timedelta(hours=5)))
    assert moment(there) == moment(at)
    assert moment(at)["fallback"] == "2026-11-23 09:00 UTC"


TURNING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u061c"


@pytest.mark.parametrize("control", TURNING + "\x00\x1b\x7f\x85\ufeff")
def test_no_text_turns_what_stands_behind_it(control: str) -> None:
    """A control in a person's words, left open, would turn the rest of the line around, also in a notification."""
    typed = f"it is{control} paid"
    assert [tame(typed), escape(typed), words(typed)["text"], plain(typed)["text"]] == ["it is paid"] * 4
    assert quote(typed) == quote("it is paid")


def test_what_scripts_and_emoji_need_stays() -> None:
    """Lines, and the joiners and invisible spaces of Khmer, Hindi and families, turn nothing."""
    for text in ("a\n\tb", "ក\u200bខ", "न\u200cम", "👩\u200d👧", "取消 é"):
        assert tame(text) == text


@pytest.mark.parametrize("text, ended", [("No", "No."), ("No.", "No."), ("No!", "No!"), ("No…", "No…")])
def test_a_sentence_has_one_full_stop(text: str, ended: str) -> None:
    """The gateway's words often bring one of their own."""
    assert sentence(text) == ended


@pytest.mark.parametrize(
    "contact, element, written",
    [
        ("C0HELP", {"type": "channel", "channel_id": "C0HELP"}, "<#C0HELP>"),
        ("G0HELP", {"type": "channel", "channel_id": "G0HELP"}, "<#G0HELP>"),
        ("S0HELP", {"type": "usergroup", "usergroup_id": "S0HELP"}, "<!subteam^S0HELP>"),
        ("U0HELP", {"type": "user", "user_id": "U0HELP"}, "<@U0HELP>"),
        ("W0HELP", {"type": "user", "user_id": "W0HELP"}, "<@W0HELP>"),
    ],
)
def test_a_sentence_names_the_one_to_ask(contact: str, element: dict[str, str], written: str) -> None:
    """The sentence has the channel, group or person as an element, and the text has them as a mention."""
    found = addressed(f"Ask {OPERATOR} <now>.", contact)
    assert found == [words("Ask "), element, words(" <now>.")]
    assert mrkdwn(found) == f"Ask {written} &lt;now&gt;."


def test_the_beginning_of_a_sentence_names_them_too() -> None:
    """A sentence may begin with the operator, and name them again."""
    found = addressed("The bot's operator must look. Tell the bot's operator.", "U0HELP")
    assert mrkdwn(found) == "<@U0HELP> must look. Tell <@U0HELP>."


def test_without_a_contact_a_sentence_says_who_that_is() -> None:
    """A sentence that names nobody stays as it is, with a contact as without."""
    assert addressed(f"Ask {OPERATOR}.", None) == [words("Ask the bot's operator.")]
    assert addressed("Try again.", "C0HELP") == [words("Try again.")]
    assert mrkdwn(addressed(OPERATOR, "C0HELP")) == "<#C0HELP>"


@pytest.mark.parametrize(
    "actor, said",
    [("bot", "the bot"), ("terminal:root", "an operator at the command line"), ("terminal:U0ANN", "an operator")],
)
def test_who_is_nobody_in_slack_is_said_in_words(actor: str, said: str) -> None:
    """Slack refuses a whole message with an element about a person that it does not know."""
    assert said in person(actor)["text"]
    assert person("U0ANN") == {"type": "user", "user_id": "U0ANN"}
    assert person("W0SIRI")["user_id"] == "W0SIRI"
