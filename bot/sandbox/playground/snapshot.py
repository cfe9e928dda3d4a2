"""The playground as one person's page shows it, as JSON."""

from dataclasses import asdict

from bot import wording
from bot.domain import policy
from bot.domain.cancellation import State
from bot.domain.ids import LONGEST_ORDER_ID
from bot.domain.request import Request
from bot.sandbox.faults import Drop, Hang
from bot.sandbox.gateway import GatewayCall, Order
from bot.sandbox.notifications import Notification
from bot.sandbox.playground.playground import PARTS, Playground
from bot.sandbox.stage import NAMES
from bot.sandbox.workspace import Json, Posted
from bot.slack.commands import COMMANDS
from bot.slack.views import buttons, orders
from bot.store import StoreError, Tables

_MESSAGES, _CALLS, _EVENTS, _REQUESTS = 500, 50, 200, 20
"""The most of each that a page gets: the newest."""


async def snapshot(playground: Playground, person: str) -> Json:
    """Return everything that this person's page shows. Raises KeyError if there is no such person."""
    space = playground.slack.space
    people = {user: {"id": user, "name": NAMES[user], "part": part} for user, part in PARTS.items()}
    views = space.views.get(person, [])
    channels = [channel for channel in space.channels.values() if person in channel.members]
    # Direct messages and private answers of others must not reach this page.
    mine = {channel.id for channel in channels}
    shown = [message for message in space.posted if message.channel in mine and message.only_for in {None, person}]
    return {
        "version": playground.version,
        "me": people[person],
        "people": list(people.values()),
        "bot": {
            "id": space.bot_user_id,
            "name": space.users[space.bot_user_id].name,
            "connected": playground.connected,
        },
        "commands": [asdict(command) for command in COMMANDS],
        "app": {
            "home_tab": space.features.home_tab,
            "home": space.homes[person].view if person in space.homes else None,
            "shortcuts": [asdict(shortcut) for shortcut in space.features.shortcuts],
        },
        "channels": [{"id": each.id, "name": each.name, "direct": each.direct_with is not None} for each in channels],
        "messages": [_message(message) for message in shown[-_MESSAGES:]],
        "modal": {"id": views[-1].id, "hash": views[-1].hash, "view": views[-1].view} if views else None,
        "notifications": [_notification(each) for each in space.notifications[-_MESSAGES:]],
        "slack": playground.slack_trouble,
        "bots": [asdict(each) for each in playground.bots],
        **await _requests(playground),
        "gateway": _gateway(playground),
        "audit": await _audit(playground),
        "notice": playground.notice,
    }


def _message(message: Posted) -> Json:
    return {
        "channel": message.channel,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "user": message.user,
        "text": message.text,
        "blocks": message.blocks,
        "ephemeral": message.only_for is not None,
        "files": [{"id": file.id, "name": file.name, "size": len(file.content)} for file in message.files],
    }


def _notification(each: Notification) -> Json:
    # Everybody's, for the marks beside the names at the top, and so without the text.
    return {name: value for name, value in asdict(each).items() if name != "text"}


async def _requests(playground: Playground) -> Json:
    """Return what the page's hints need to know: the newest requests, and whether everything is frozen.

    There is nothing to tell while the database cannot be read.
    """

    def read(tables: Tables) -> Json:
        newest = tables.requests.newest()
        found = map(tables.requests.of_number, range(newest, max(newest - _REQUESTS, 0), -1))
        return {"requests": [_request(each) for each in found if each], "frozen": tables.freeze() is not None}

    try:
        return await playground.read(read)
    except StoreError:
        return {"requests": [], "frozen": False}


def _request(found: Request) -> Json:
    waits = found.state is State.PENDING
    return {
        "id": found.id,
        "what": orders.inline(found, LONGEST_ORDER_ID),
        "title": orders.words_for(found).title,
        "orders": {each.order_id: each.state for each in found.cancellations},
        "state": found.state,
        "requester": found.requester,
        "approvers": found.approvers,
        "may_stop": any(each.attempts for each in found.cancellations) and buttons.between_attempts(found),
        "may_retry": bool(policy.retryable(found)),
        "escalated": found.escalated_at is not None,
        "remind_at": found.remind_at.timestamp() if waits and found.remind_at else None,
        "escalate_at": found.escalate_at.timestamp() if waits and found.escalate_at else None,
    }


def _gateway(playground: Playground) -> Json:
    gateway, switches = playground.gateway, playground.switches
    return {
        "orders": [_order(order, gateway.effects[order.id]) for order in gateway.orders.values()],
        "calls": [{"number": number, **_call(call)} for number, call in list(enumerate(gateway.calls, 1))[-_CALLS:]],
        "switches": {"slow": switches.slow, "down": switches.down},
        "next": switches.next,
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
            progress = "the answer was lost on the way"
        case Hang() if call.status is None:
            progress = "the answer is slow"
        case _ if call.status is None:
            progress = "under way"
        case _:
            progress = ""
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
        "progress": progress,
    }


async def _audit(playground: Playground) -> Json:
    try:
        events, found = await playground.record()
    except StoreError as error:
        return {"events": [], "intact": False, "seq": None, "proof": wording.store_error(error)}
    return {
        "events": [
            {
                "seq": event.seq,
                "at": event.at,
                "kind": event.kind,
                "request": event.request,
                "order": event.order_id,
                "actor": event.actor,
                "data": event.data,
                "hash": event.hash,
                "prev": event.prev_hash,
            }
            for event in events[-_EVENTS:]
        ],
        "intact": found.damage is None,
        "seq": found.seq if found.damage else None,
        "proof": wording.verification(found),
    }
