"""The local Slack offers the features that the manifest declares, and refuses manifests that Slack would refuse."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.sandbox.features import DECLARED, Features, Shortcut, declared

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text("utf-8"))
MESSAGE: dict[str, Any] = {
    "type": "message",
    "callback_id": "cancel",
    "name": "Cancel an order",
    "description": "Ask for it",
}


def manifest(*shortcuts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a manifest with a Home tab and these shortcuts."""
    found = copy.deepcopy(MANIFEST)
    found["features"] |= {"app_home": {"home_tab_enabled": True}, "shortcuts": list(shortcuts)}
    found["settings"] |= {"event_subscriptions": {"bot_events": ["app_home_opened"]}, **changes}
    return found


def test_the_local_slack_offers_what_the_manifest_declares() -> None:
    """The sandbox reads no YAML, so its own copy must say the same."""
    assert declared(MANIFEST) == DECLARED


def test_a_manifest_with_everything() -> None:
    """A message shortcut and a global one may have the same callback id, as only their types tell them apart."""
    everywhere = MESSAGE | {"type": "global"}
    found = declared(manifest(MESSAGE, everywhere))
    assert found == Features(True, (Shortcut(**MESSAGE), Shortcut(**everywhere)), frozenset({"app_home_opened"}))
    assert found.shortcut("global", "cancel") == Shortcut(**everywhere)
    with pytest.raises(LookupError):
        found.shortcut("global", "other")


@pytest.mark.parametrize(
    "shortcuts",
    [
        [MESSAGE | {"name": "x" * 25}],
        [MESSAGE | {"name": ""}],
        [MESSAGE | {"callback_id": "x" * 256}],
        [MESSAGE | {"description": "x" * 151}],
        [MESSAGE | {"type": "channel"}],
        [MESSAGE | {"icon": "x"}],
        [{"type": "message", "callback_id": "cancel", "name": "Cancel an order"}],
        [MESSAGE, MESSAGE],
        [MESSAGE | {"callback_id": str(number)} for number in range(11)],
    ],
)
def test_shortcuts_that_slack_refuses(shortcuts: list[dict[str, Any]]) -> None:
    """At most ten, with the limits of Slack's manifest schema."""
    with pytest.raises(ValueError, match="shortcut"):
        declared(manifest(*shortcuts))


def test_shortcuts_need_interactivity_and_a_scope() -> None:
    """Without them no shortcut ever reaches the app."""
    with pytest.raises(ValueError, match="interactivity"):
        declared(manifest(MESSAGE, interactivity={"is_enabled": False}))
    without = manifest(MESSAGE)
    without["oauth_config"]["scopes"]["bot"].remove("commands")
    with pytest.raises(ValueError, match="commands"):
        declared(without)
