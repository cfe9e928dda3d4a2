"""Text for Slack: cut, escaped and quoted, and never interpreted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.slack.views.text import cut, escape, flat, link, listed, moment, quoted, words


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


def test_a_time_falls_back_to_utc() -> None:
    """Slack shows it in the reader's own time zone, and older clients show UTC."""
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    there = at.astimezone(timezone(timedelta(hours=5)))
    assert moment(there) == moment(at)
    assert moment(at)["fallback"] == "2026-11-23 09:00 UTC"
