"""``/cancel-audit`` and the buttons that turn its pages."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.audit import Event
from bot.domain.lookup import File, Mistake, NotAFilter, wants_file
from bot.domain.policy import Actor, Role, Verdict, reading_unchecked
from bot.domain.request import Request
from bot.rows import CsvFile, Row, event_row, fields, request_row
from bot.slack import command_text
from bot.slack.background import Tell
from bot.slack.commands import CANCEL_AUDIT
from bot.slack.files import FileNotSent, send_file
from bot.slack.listeners.answers import respond
from bot.slack.listeners.parts import Home, Parts
from bot.slack.payloads import Click, Command
from bot.slack.views import audit_file, audit_page, refusals
from bot.slack.views.audit_page import PageButton
from bot.workflow import Asked, Found, MayNotRead

log = structlog.get_logger(__name__)

_IN_MEMORY = 1024 * 1024
"""Bytes of a file; a larger one is in a temporary file without a name, which is gone when it was sent."""


class LookingUp:
    """The listeners for people who read the record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._one_at_a_time = asyncio.Semaphore(1)

    def register(self, app: AsyncApp) -> None:
        """Bind them to Bolt's app."""
        app.command(CANCEL_AUDIT)(self.cancel_audit)
        app.action(re.compile(rf"{audit_page.PAGE}:(older|newer|newest)"))(self.turn_page)

    async def cancel_audit(self, ack: AsyncAck, typed: Command) -> None:
        """Answer from the record, to the person alone."""
        await ack()
        tell, button = self._parts.answer_to(typed.response_url), PageButton(typed.as_typed)
        team = (typed.team_id, typed.enterprise_id)
        work = self._look_up(Actor(typed.user_id, typed.user_name), team, button, typed.response_url)
        self._parts.background.start(work, tell=tell)

    async def turn_page(self, ack: AsyncAck, click: Click) -> None:
        """Show another page of a look-up, in place of the one before."""
        await ack()
        tell, button = self._parts.answer_to(click.response_url), PageButton.decode(click.value)
        if button is None:
            self._parts.say(tell, refusals.NO_LONGER_IN_USE)
            return
        somebody, team = Actor(click.user.id, click.user.shown_name), (click.user.team_id, None)
        work = self._look_up(somebody, team, button, click.response_url, in_place=True)
        self._parts.background.start(work, tell=tell)

    async def _look_up(
        self,
        somebody: Actor,
        team: tuple[str | None, str | None],
        button: PageButton,
        response_url: str,
        *,
        in_place: bool = False,
    ) -> None:
        tell = self._parts.answer_to(response_url)
        home = await self._parts.home_of(somebody.id, *team)
        if home is not Home.HERE:
            await tell(await self._parts.refuse_stranger(home, somebody.id, somebody.name, CANCEL_AUDIT))
            return
        if command_text.is_help(button.query):
            await tell(audit_page.USAGE)
            return
        actor = await self._parts.directory.actor(somebody.id, somebody.name, Role.APPROVER, Role.AUDITOR)
        unchecked = reading_unchecked(actor)
        zone = button.zone
        if zone is None and (profile := await self._parts.directory.profile(somebody.id)) is not None:
            zone = profile.time_zone
        try:
            filters, wanted = wants_file(button.query)
            asked = Asked(
                filters,
                _zone(zone),
                older_than=button.older_than,
                newer_than=button.newer_than,
                at=button.at,
                newest=button.newest,
                limit=audit_page.PER_PAGE,
            )
            found = await self._parts.workflow.look_up(actor, asked)
        except NotAFilter as error:
            await tell(audit_page.usage(error))
        except MayNotRead:
            if unchecked:
                await self._refuse_unchecked(actor, tell)
                return
            await self._parts.workflow.refuse(actor, CANCEL_AUDIT, Verdict.NOT_AN_AUDITOR)
            await tell(refusals.OWN_REQUESTS_ONLY)
        else:
            if wanted is not None and unchecked:
                # A file is passed on, and does not say that it may lack what its reader should see.
                await self._refuse_unchecked(actor, tell)
                return
            if wanted is File.EVIDENCE and not found.alone:
                await tell(audit_page.usage(NotAFilter(Mistake.EVIDENCE_OF_AN_ORDER)))
                return
            if wanted is File.EVIDENCE and found.order_id is not None and found.page.items:
                await self._parts.workflow.ask_for_evidence(actor, found.order_id)
                await tell(audit_file.evidence_coming(found.order_id, found.typed))
                return
            if wanted is File.CSV and found.page.items:
                await tell(audit_file.coming(found))
                await self._hand_out(actor, replace(asked, at=found.at), button.query, tell)
                return
            answer = audit_page.page(found, asked.text, self._parts.presentation.contact, unchecked=unchecked)
            digest = sha256(answer.text.encode()).hexdigest()
            await self._parts.workflow.looked_up(actor, button.query, len(found.page.items), digest)
            await respond(self._parts.network, response_url, answer, replace=in_place)

    async def _refuse_unchecked(self, actor: Actor, tell: Tell) -> None:
        await self._parts.workflow.refuse(actor, CANCEL_AUDIT, Verdict.UNCHECKED)
        await tell(self._parts.told(Verdict.UNCHECKED, refusals.READER_NOT_CHECKED, Role.AUDITOR, Role.APPROVER))

    async def _hand_out(self, actor: Actor, asked: Asked, typed: str, tell: Tell) -> None:
        """Send the whole answer as a file by direct message, or tell the person why that does not work."""
        # However many people want a file, the bot has room and time for its other work.
        async with self._one_at_a_time:
            with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
                csv, contradicted = CsvFile(file), False
                async for found in self._parts.workflow.look_up_all(actor, asked):
                    csv.add(fields(of_events=found.order_id is not None), _rows(found))
                    contradicted |= bool(found.contradictions)
                await self._parts.workflow.looked_up(actor, typed, csv.rows, csv.sha256)
                words = audit_file.words(found, asked.text, csv.rows, csv.sha256, contradicted=contradicted)
                try:
                    await send_file(self._parts.client, self._parts.network, actor.id, file, words)
                except FileNotSent as error:
                    log.warning("file_not_sent", by=actor.id, problem=error.problem.name)
                    await tell(refusals.file_not_sent(error.problem.name, unclear=error.problem.unclear))


def _rows(found: Found) -> Iterator[Row]:
    for index, each in enumerate(found.page.items):
        match each:
            case Request():
                yield request_row(each, found.checked[index])
            case Event():
                yield event_row(each)


def _zone(name: str | None) -> tzinfo:
    """Return the time zone of this name, or UTC where Slack does not name one that this machine knows."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
