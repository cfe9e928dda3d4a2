"""The features that the app's manifest declares to Slack beside its commands: Home tab, shortcuts and events.

Sources of the fields and limits: https://docs.slack.dev/reference/app-manifest and
https://github.com/slackapi/manifest-schema.
"""

from dataclasses import dataclass
from typing import Any, Literal

from bot.slack.commands import CANCEL_ORDER_ANYWHERE, CANCEL_ORDER_MESSAGE

APP_HOME_OPENED = "app_home_opened"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One shortcut, with the fields of Slack's manifest: one of a message's menu, or a global one."""

    type: Literal["message", "global"]
    callback_id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Features:
    """The features of an app. ``events`` are those that its bot subscribes to; Slack sends no others."""

    home_tab: bool = False
    shortcuts: tuple[Shortcut, ...] = ()
    events: frozenset[str] = frozenset()

    def shortcut(self, kind: Literal["message", "global"], callback_id: str) -> Shortcut:
        """Return the shortcut of this type and callback id. Raises LookupError if the app declares none."""
        for each in self.shortcuts:
            if (each.type, each.callback_id) == (kind, callback_id):
                return each
        raise LookupError(f"the app declares no {kind} shortcut {callback_id}")


DECLARED = Features(
    home_tab=True,
    shortcuts=(
        Shortcut("message", CANCEL_ORDER_MESSAGE, "Cancel an order", "Ask to cancel the orders named in a message"),
        Shortcut("global", CANCEL_ORDER_ANYWHERE, "Cancel an order", "Ask for the cancellation of an order"),
    ),
    events=frozenset({APP_HOME_OPENED}),
)
"""The bot's own, as ``manifest.yml`` has them: a test compares the two, as nothing reads YAML at run time."""


def declared(manifest: dict[str, Any]) -> Features:
    """Return the features in a manifest. Raises ValueError for what Slack would refuse or never show."""
    features, settings = manifest.get("features", {}), manifest.get("settings", {})
    home = features.get("app_home", {}).get("home_tab_enabled", False)
    shortcuts = tuple(_shortcut(each) for each in features.get("shortcuts", []))
    if len(shortcuts) > 10:
        raise ValueError("more than 10 shortcuts")
    # A message shortcut and a global one may share theirs: their payloads differ in the type.
    if len({(each.type, each.callback_id) for each in shortcuts}) < len(shortcuts):
        raise ValueError("two shortcuts of one type have the same callback_id")
    if shortcuts and not settings.get("interactivity", {}).get("is_enabled"):
        raise ValueError("shortcuts need interactivity")
    # https://docs.slack.dev/reference/scopes/commands: "Add shortcuts and/or slash commands that people can use".
    if shortcuts and "commands" not in manifest["oauth_config"]["scopes"]["bot"]:
        raise ValueError("shortcuts need the scope commands")
    return Features(home, shortcuts, frozenset(settings.get("event_subscriptions", {}).get("bot_events", [])))


def _shortcut(given: dict[str, Any]) -> Shortcut:
    if set(given) != {"type", "callback_id", "name", "description"} or given["type"] not in {"message", "global"}:
        raise ValueError(f"a shortcut has a type, a callback_id, a name and a description: {given}")
    for field, most in (("name", 24), ("callback_id", 255), ("description", 150)):
        if not (isinstance(given[field], str) and 0 < len(given[field]) <= most):
            raise ValueError(f"a shortcut's {field} has 1 to {most} characters")
    return Shortcut(**given)
