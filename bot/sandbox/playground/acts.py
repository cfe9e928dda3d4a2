"""The acts of people on the playground's page: typing, clicking, filling in forms, and using shortcuts."""

import contextlib
from dataclasses import replace

from aiohttp import web

from bot.sandbox.person import Person
from bot.sandbox.playground.playground import PARTS, Playground
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Json, Posted
from bot.slack.commands import COMMANDS

_NO_ANSWER = "We had some trouble connecting. Try again?"
"""Words like those that Slack shows where it cannot post its error as a message."""


class NotUnderstood(Exception):
    """A request that the page would not send."""


class Acts:
    """The acts of all people on one playground."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Do what somebody did on the page. Answer ``{}`` if it worked, else ``errors`` by field or a ``notice``."""
        body: Json = await request.json()
        if body["person"] not in PARTS:
            raise NotUnderstood
        person = self._playground.person(body["person"])
        acts = {
            "type": self._type,
            "click": self._click,
            "choose": self._choose,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
            "use_home": self._use_home,
            "shortcut": self._shortcut,
        }
        return web.json_response(await acts[body["do"]](person, body))

    async def _type(self, person: Person, body: Json) -> Json:
        text, channel, thread_ts = str(body["text"]).strip(), body["channel"], body.get("thread_ts")
        place = self._playground.slack.space.channels[channel]
        # The box of the bot's direct messages is read-only, as manifest.yml has it (messages_tab_read_only_enabled).
        if person.id not in place.members or place.direct_with is not None or not text:
            raise NotUnderstood
        name = text.split()[0]
        if not text.startswith("/"):
            person.say(text, channel, thread_ts)
        elif thread_ts is not None:
            return {"notice": f"{name} is not supported in threads. Sorry!"}
        elif name not in {command.name for command in COMMANDS}:
            person.notify(f"`{name}` is not a valid command.", channel)
        else:
            # If the app does not answer, ``command`` shows the person Slack's own error.
            with contextlib.suppress(NotAcknowledged):
                await person.command(text, channel)
        return {}

    async def _click(self, person: Person, body: Json) -> Json:
        """Press a button as it was on the page, though the message may look different by now."""
        message = self._as_shown(person, body, body["button"])
        with contextlib.suppress(NotAcknowledged):
            await person.click(message, body["button"]["action_id"])
        return {}

    async def _choose(self, person: Person, body: Json) -> Json:
        """Choose an option of a menu as it was on the page."""
        message = self._as_shown(person, body, body["menu"])
        with contextlib.suppress(NotAcknowledged):
            await person.choose(message, body["menu"]["action_id"], body["option"])
        return {}

    def _as_shown(self, person: Person, body: Json, element: Json) -> Posted:
        message = self._playground.slack.space.message(body["channel"], body["ts"])
        if message is None or message.only_for not in {None, person.id}:
            raise NotUnderstood
        if message.element(element["action_id"]) is None:
            return replace(message, blocks=[{"type": "actions", "elements": [element]}])
        return message

    async def _submit(self, person: Person, body: Json) -> Json:
        opened, values = person.modal, _values(body)
        if opened is None or opened.id != body["modal"]:
            return {"notice": "This form is no longer open."}
        missing = [
            block["block_id"]
            for block in opened.view["blocks"]
            if block["type"] == "input"
            and not block.get("optional")
            and not _is_entered(values.get(block["element"]["action_id"], ""))
        ]
        if missing:
            return {"errors": dict.fromkeys(missing, "Please complete this required field.")}
        try:
            errors = await person.submit(**values)
        except NotAcknowledged:
            return {"notice": _NO_ANSWER}
        return {"errors": errors} if errors else {}

    async def _close(self, person: Person, body: Json) -> Json:
        if person.modal is not None and person.modal.id == body["modal"]:
            person.close()
        return {}

    async def _home(self, person: Person, body: Json) -> Json:
        if body["tab"] not in {"home", "messages"}:
            raise NotUnderstood
        # Nobody hears of an event that was not acknowledged; the tab stays as it was.
        with contextlib.suppress(NotAcknowledged):
            await person.open_home(body["tab"])
        return {}

    async def _use_home(self, person: Person, body: Json) -> Json:
        """Press a button of the Home tab, or choose an option there, as it was on the page."""
        try:
            await person.use_home(body["element"], _values(body))
        except NotAcknowledged:
            return {"notice": _NO_ANSWER}
        return {}

    async def _shortcut(self, person: Person, body: Json) -> Json:
        """Choose a shortcut, of a message if there is a ``ts``."""
        try:
            if "ts" not in body:
                await person.global_shortcut(body["callback_id"])
            elif message := self._playground.slack.space.message(body["channel"], body["ts"]):
                await person.message_shortcut(message, body["callback_id"])
            else:
                return {"notice": "This message is no longer there."}
        except NotAcknowledged:
            return {"notice": _NO_ANSWER}
        return {}


def _values(body: Json) -> dict[str, str | list[str]]:
    """Return what was entered in the fields, by action id."""
    given = body["values"].items()
    return {str(name): list(map(str, value)) if isinstance(value, list) else str(value) for name, value in given}


def _is_entered(value: str | list[str]) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)
