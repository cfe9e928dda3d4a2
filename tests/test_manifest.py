"""manifest.yml asks for everything that the code uses, and for nothing more."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.slack.commands import COMMANDS
from bot.slack.scopes import SCOPES

ROOT = Path(__file__).parent.parent
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text("utf-8"))

NEEDED_BY = {
    "auth_test": set(),
    "apps_connections_open": set(),
    "views_open": set(),
    "views_publish": set(),
    "chat_postMessage": {"chat:write"},
    "chat_update": {"chat:write"},
    "chat_delete": {"chat:write"},
    "conversations_open": {"im:write"},
    "bots_info": {"users:read"},
    "conversations_history": {"channels:history", "groups:history", "im:history"},
    "conversations_replies": {"channels:history", "groups:history", "im:history"},
    "conversations_info": {"channels:read", "groups:read"},
    "files_getUploadURLExternal": {"files:write"},
    "files_completeUploadExternal": {"files:write"},
    "usergroups_users_list": {"usergroups:read"},
    "users_info": {"users:read"},
}
"""The scopes that each method needs for the channels it is used on; source: its page on docs.slack.dev."""
NOT_METHODS = {
    "is_connected",
    "issue_new_wss_url",
    "message_listeners",
    "rate_limited",
    "send_socket_mode_response",
    "socket_mode_request_listeners",
}
"""Names of the clients' own."""


def methods_used() -> set[str]:
    """Return the Web API methods that the bot calls."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.py") if "sandbox" not in path.parts)
    return set(re.findall(r"client\.((?:[a-z]+_)+[A-Za-z]+)\b", code)) - NOT_METHODS


def test_scopes_are_those_that_the_code_needs() -> None:
    """Every scope is needed by a call or a command, every call has its scope, and doctor checks the same scopes."""
    asked_for = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert methods_used() == set(NEEDED_BY)
    assert set(asked_for) == set().union(*NEEDED_BY.values()) | {"commands"}
    assert asked_for == list(SCOPES)
    assert "user" not in MANIFEST["oauth_config"]["scopes"]


@pytest.mark.parametrize(
    "scope, words",
    [
        ("chat:write", "duplicates"),
        ("channels:read", "channel"),
        ("groups:read", "private channel"),
        ("users:read", "time zone"),
        ("users:read", "other workspaces"),
    ],
)
def test_each_scope_says_what_it_is_for(scope: str, words: str) -> None:
    """An admin who approves the app reads every purpose of a scope."""
    assert words in SCOPES[scope]


def test_commands_are_those_of_the_code() -> None:
    """The manifest has the code's commands with the same texts, and mentions reach the look-up as ids."""
    found = MANIFEST["features"]["slash_commands"]
    assert found == [
        {
            "command": command.name,
            "description": command.description,
            "usage_hint": command.usage_hint,
            "should_escape": command.should_escape,
        }
        for command in COMMANDS
    ]
    assert {command.name: command.should_escape for command in COMMANDS} == {
        "/cancel-order": False,
        "/cancel-audit": True,
    }


def test_features_are_those_that_are_used() -> None:
    """Socket Mode and interactivity are on, people can read direct messages, and the Home tab has its one event."""
    assert MANIFEST["settings"]["socket_mode_enabled"]
    assert MANIFEST["settings"]["interactivity"] == {"is_enabled": True}
    assert MANIFEST["features"]["app_home"]["messages_tab_enabled"]
    assert MANIFEST["features"]["app_home"]["home_tab_enabled"]
    assert MANIFEST["settings"]["event_subscriptions"] == {"bot_events": ["app_home_opened"]}


@pytest.mark.parametrize(
    "text, most",
    [
        (MANIFEST["display_information"]["name"], 35),
        (MANIFEST["display_information"]["description"], 140),
        (MANIFEST["features"]["bot_user"]["display_name"], 80),
        *((command["command"], 32) for command in MANIFEST["features"]["slash_commands"]),
        *((command["description"], 2000) for command in MANIFEST["features"]["slash_commands"]),
        *((command["usage_hint"], 1000) for command in MANIFEST["features"]["slash_commands"]),
    ],
)
def test_texts_are_within_slacks_limits(text: str, most: int) -> None:
    """No text is longer than Slack's manifest schema allows."""
    assert 0 < len(text) <= most
