"""Payloads with everything that the bot reads, as Slack sends them."""

from typing import Any

COMMAND: dict[str, Any] = {
    "command": "/cancel-order",
    "team_id": "T1",
    "enterprise_id": "E1",
    "user_id": "U0ANN",
    "user_name": "ann",
    "channel_id": "C1",
    "channel_name": "general",
    "text": " ord_1 paid &lt;twice&gt; &amp; more ",
    "trigger_id": "1.2",
    "response_url": "https://hooks.slack.com/1",
}
CLICK: dict[str, Any] = {
    "type": "block_actions",
    "team": {"id": "T1", "domain": "local"},
    "enterprise": {"id": "E1"},
    "user": {"id": "U0BEN", "username": "ben", "name": "ben", "team_id": "T1"},
    "actions": [{"type": "button", "action_id": "approve", "block_id": "decide", "value": "c0ffee"}],
    "trigger_id": "1.2",
    "response_url": "https://hooks.slack.com/2",
    "channel": {"id": "C1", "name": "payments"},
    "container": {"type": "message", "message_ts": "1.1", "channel_id": "C1", "is_ephemeral": False},
}
HOME_CLICK: dict[str, Any] = {
    **{name: CLICK[name] for name in ("type", "team", "enterprise", "user", "actions", "trigger_id")},
    "container": {"type": "view", "view_id": "V1"},
    "view": {"id": "V1", "type": "home", "blocks": []},
}
HOME_OPENED: dict[str, Any] = {
    "type": "event_callback",
    "team_id": "T1",
    "api_app_id": "A1",
    "event_id": "Ev1",
    "event_time": 1795424400,
    "event": {"type": "app_home_opened", "user": "U0ANN", "channel": "D1", "tab": "home", "event_ts": "1.1"},
}
MESSAGE_SHORTCUT: dict[str, Any] = {
    "type": "message_action",
    "callback_id": "cancel_order_message",
    "team": {"id": "T1", "domain": "local"},
    "enterprise": None,
    "user": {"id": "U0ANN", "username": "ann", "name": "ann", "team_id": "T1"},
    "channel": {"id": "C1", "name": "general"},
    "trigger_id": "1.2",
    "response_url": "https://hooks.slack.com/3",
    "message_ts": "1516229207.000133",
    "message": {
        "type": "message",
        "user": "U0BEN",
        "ts": "1516229207.000133",
        "thread_ts": "1516229200.000100",
        "text": "cancel ord_1",
    },
}
GLOBAL_SHORTCUT: dict[str, Any] = {
    "type": "shortcut",
    "callback_id": "cancel_order",
    "team": {"id": "T1", "domain": "local"},
    "user": {"id": "U0ANN", "username": "ann", "team_id": "T1"},
    "trigger_id": "1.2",
}
FORM: dict[str, Any] = {
    "type": "view_submission",
    "team": {"id": "T1", "domain": "local"},
    "enterprise": None,
    "user": {"id": "U0BEN", "username": "ben", "name": "ben", "team_id": "T1"},
    "view": {
        "id": "V1",
        "type": "modal",
        "callback_id": "reject_reason",
        "private_metadata": "c0ffee",
        "state": {"values": {"reason": {"reason": {"type": "plain_text_input", "value": "no"}}}},
    },
}


def changed(body: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """Return the payload with this value at a place such as ``user.name``; ``...`` takes the place away."""
    first, _, rest = place.partition(".")
    if rest:
        return {**body, first: changed(body[first], rest, value)}
    kept = {key: each for key, each in body.items() if key != first}
    return kept if value is ... else {**kept, first: value}
