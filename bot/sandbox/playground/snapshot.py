"""The world as one person's page shows it, as JSON."""

from pathlib import Path
from typing import Any

from bot.domain.lookup import Lookup
from bot.sandbox.faults import Drop, Hang
from bot.sandbox.gateway import GatewayCall, LocalGateway, Order
from bot.sandbox.playground.world import PEOPLE, World
from bot.sandbox.workspace import Json, Message
from bot.store import StoreError

MANIFEST = Path(__file__).parents[3] / "manifest.yml"

_MESSAGES, _CALLS, _EVENTS, _CANCELLATIONS = 500, 50, 200, 20


def commands() -> list[Json]:
    """The bot's slash commands as its manifest has them."""
    import yaml

    manifest: Any = yaml.safe_load(MANIFEST.read_text("utf-8"))
    found: list[Json] = manifest["features"]["slash_commands"]
    return found


async def snapshot(world: World, person: str, known_commands: list[Json]) -> Json:
    """Everything that this person's page shows. Raises KeyError if there is no such person."""
    name, part = PEOPLE[person]
    space = world.slack.space
    views = space.views.get(person, [])
    channels = [channel for channel in space.channels.values() if person in channel.members]
    mine = {channel.id for channel in channels}
    shown = [message for message in space.posted if message.channel in mine and message.only_for in {None, person}]
    return {
        "version": world.version,
        "me": {"id": person, "name": name, "part": part},
        "people": [{"id": user, "name": name, "part": part} for user, (name, part) in PEOPLE.items()],
        "bot": {
            "id": space.bot_user_id,
            "name": space.users[space.bot_user_id].name,
            "missing": world.bot.connection.missing,
        },
        "commands": known_commands,
        "channels": [{"id": each.id, "name": each.name, "direct": each.direct_with is not None} for each in channels],
        "messages": [_message(message) for message in shown[-_MESSAGES:]],
        "modal": {"id": views[-1].id, "hash": views[-1].hash, "view": views[-1].view} if views else None,
        "cancellations": await _cancellations(world),
        "gateway": _gateway(world.gateway, world),
        "audit": await _audit(world),
        "notice": world.notice,
    }


def _message(message: Message) -> Json:
    return {
        "channel": message.channel,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "user": message.user,
        "text": message.text,
        "blocks": message.blocks,
        "ephemeral": message.only_for is not None,
    }


async def _cancellations(world: World) -> list[Json]:
    """What the hints are made of, newest first."""
    try:
        page = await world.bot.store.read(lambda reader: reader.find(Lookup(), limit=_CANCELLATIONS))
    except StoreError:
        return []
    return [
        {
            "order": found.order_id,
            "state": found.state,
            "requester": found.requester,
            "approvers": found.approvers,
            "channel": found.card_channel,
            "ts": found.card_ts,
        }
        for found in page.items
    ]


def _gateway(gateway: LocalGateway, world: World) -> Json:
    switches = world.switches
    return {
        "orders": [_order(order, gateway.effects[order.id]) for order in gateway.orders.values()],
        "calls": [{"number": number, **_call(call)} for number, call in list(enumerate(gateway.calls, 1))[-_CALLS:]],
        "switches": {"slow": switches.slow, "down": switches.down, "lost": switches.lost},
        "slow_by": switches.slow_by,
    }


def _order(order: Order, effects: int) -> Json:
    at = order.cancelled_at
    return {
        "id": order.id,
        "status": order.status,
        "reason": order.reason,
        "cancelled_at": at.timestamp() if at else None,
        "effects": effects,
    }


def _call(call: GatewayCall) -> Json:
    match call.fault:
        case Drop():
            became = "the answer was lost on the way"
        case Hang() if call.status is None:
            became = "the answer takes its time"
        case _ if call.status is None:
            became = "under way"
        case _:
            became = ""
    return {
        "at": call.at.timestamp(),
        "method": call.method,
        "path": call.path,
        "headers": call.headers,
        "body": call.body,
        "order": call.order_id,
        "status": call.status,
        "answer": call.answer,
        "effect": call.effect,
        "became": became,
    }


async def _audit(world: World) -> Json:
    try:
        events, found = await world.record()
    except StoreError as error:
        return {"events": [], "count": 0, "head": "", "damage": "unreadable", "seq": None, "explanation": str(error)}
    return {
        "events": [
            {
                "seq": event.seq,
                "at": event.at,
                "kind": event.kind,
                "order": event.order_id,
                "actor": event.actor,
                "data": event.data,
                "hash": event.hash,
                "prev": event.prev_hash,
            }
            for event in events[-_EVENTS:]
        ],
        "count": len(events),
        "head": found.head,
        "damage": found.damage,
        "seq": found.seq,
        "explanation": found.explanation,
    }
