"""A menu of conversations in a form: Slack's rules for it, and what it sends."""

from typing import Any

import pytest

from bot.sandbox.blockkit import problems_with_view
from bot.sandbox.views import entered

SELECT: dict[str, Any] = {"type": "conversations_select", "action_id": "channel", "filter": {"include": ["public"]}}


def view(**changes: Any) -> dict[str, Any]:
    """Return a form with one such menu, with these changes."""
    words = {"type": "plain_text", "text": "Channel"}
    block = {"type": "input", "block_id": "channel", "label": words, "element": SELECT | changes}
    return {"type": "modal", "title": words, "submit": words, "blocks": [block]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"filter": {"exclude_external_shared_channels": True}},
        {"filter": {"include": ["public", "private", "im", "mpim"], "exclude_bot_users": True}},
        {"initial_conversation": "C0GENERAL", "response_url_enabled": True},
    ],
)
def test_menus_that_slack_takes(changes: dict[str, Any]) -> None:
    """A filter has one field or more."""
    assert problems_with_view(view(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"filter": {}},
        {"filter": {"include": []}},
        {"filter": {"include": ["shared"]}},
        {"filter": {"exclude_archived": True}},
        {"options": []},
    ],
)
def test_menus_that_slack_refuses(changes: dict[str, Any]) -> None:
    """Anything unknown is refused, too."""
    assert problems_with_view(view(**changes)) != []


def test_what_was_chosen_is_sent_by_its_id() -> None:
    """A form is not sent without a choice."""
    chosen = {"type": "conversations_select", "selected_conversation": "C0GENERAL"}
    assert entered(view(), {"channel": "C0GENERAL"}, whole=True) == {"channel": {"channel": chosen}}
    assert entered(view(initial_conversation="C0GENERAL"), {}, whole=True) == {"channel": {"channel": chosen}}
    with pytest.raises(ValueError, match="must be filled in"):
        entered(view(), {}, whole=True)
