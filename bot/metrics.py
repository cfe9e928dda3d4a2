"""The metrics behind ``/metrics``, in the form that Prometheus scrapes.

The parts of the bot count here what happens, and ``bot.measuring`` keeps what stands. A scrape only prints what is in
memory: it asks neither the database nor Slack nor the gateway. Labels are codes of the bot's own, so that no order and
no person is ever in one. To add a metric: a field here, and its row in ``docs/operating.md``.
"""

import platform
import sqlite3
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from bot import __version__, log
from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.events import (
    Answered,
    Approved,
    Cancelled,
    ClickRefused,
    Content,
    DeliveryAbandoned,
    Expired,
    Failed,
    Refused,
    Rejected,
    Requested,
    RequestRefused,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Unknown,
    Withdrawn,
)

# They would double the size of each scrape, and no rule here needs them.
disable_created_metrics()  # type: ignore[no-untyped-call]

_PEOPLE = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds that people take: an order lives for about half an hour."""
_CALLS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
"""Seconds of a call to the gateway, which ends after 30."""
_ANSWERS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
"""Seconds of an acknowledgement, which Slack awaits for 3."""
_COMMITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

STOPPED = "stopped"
"""The cause of an end that a person brought about with Stop trying."""
_DECISIONS: dict[type[Content], str] = {
    Approved: "approved",
    Rejected: "rejected",
    Withdrawn: "withdrawn",
    Expired: "expired",
}
_ENDS: dict[type[Content], State] = {
    Cancelled: State.CANCELLED,
    Refused: State.REFUSED,
    Failed: State.FAILED,
    StoppedTrying: State.FAILED,
    Unknown: State.UNKNOWN,
    SettledCancelled: State.SETTLED_CANCELLED,
    SettledNotCancelled: State.SETTLED_NOT_CANCELLED,
}
TIMED = frozenset(kind.kind for kind in (*_DECISIONS, *_ENDS))
"""The kinds of events whose time since the request counts."""
KINDS = ("command", "form", "click", "shortcut", "home")
"""The kinds of Slack requests that are acknowledged."""


class Metrics:
    """All metrics of one bot, in a registry of their own: a process may run several bots, as tests do."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        info = Info("cancel_desk_build", "The versions that run.", registry=self.registry)
        info.info(
            {"version": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        )
        self._of_requests()
        self._of_the_gateway()
        self._of_slack()
        self._of_the_database()
        self.registry.register(_LogLines())

    def _of_requests(self) -> None:
        self.requests = self._counter("requests", "Requests by result: accepted, or why it was refused.", "result")
        self.clicks_refused = self._counter("clicks_refused", "Clicks that changed nothing.", "act", "why")
        self.decisions = self._counter("decisions", "Decided requests by result.", "result")
        self.decision = self._histogram("decision", "From the request to its approval or rejection.", _PEOPLE)
        self.cancellations = self._counter("cancellations", "Orders of approved requests by end.", "end", "cause")
        self.outcome = self._histogram("outcome", "From the request to the end of an order.", _PEOPLE)
        self.pending = self._gauge("requests_pending", "Requests that wait for a decision now.")
        self.oldest_pending = self._gauge("oldest_pending_request_age_seconds", "Age of the oldest of these.")
        self.waiting = self._gauge("cancellations_waiting", "Orders that wait for a person.", "state")
        self.frozen = self._gauge("frozen", "1 while everything is frozen.")
        self.requests.labels("accepted")
        for result in _DECISIONS.values():
            self.decisions.labels(result)
        for end in sorted(set(_ENDS.values())):
            self.cancellations.labels(end, "")
        # A rule over a counter misses its first increase if it was not there before.
        self.cancellations.labels(State.FAILED, Trouble.RECORD_CONTRADICTS)
        for state in (State.UNKNOWN, State.FAILED):
            self.waiting.labels(state)

    def _of_the_gateway(self) -> None:
        self.attempts = self._counter("gateway_attempts", "Calls to the gateway by outcome.", "outcome", "reason")
        self.attempt = self._histogram("gateway_attempt", "Duration of a call to the gateway.", _CALLS)
        self.gateway_reachable = self._gauge("gateway_reachable", "0 while the gateway cannot be reached.")
        self.gateway_refuses = self._gauge("gateway_refuses_the_bot", "1 while the gateway takes no call of the bot's.")
        self.gateway_reachable.set(1)
        for outcome in Outcome:
            self.attempts.labels(outcome, "")

    def _of_slack(self) -> None:
        self.acknowledgement = self._histogram(
            "acknowledgement", "From the arrival of a Slack request to its acknowledgement.", _ANSWERS, "kind"
        )
        self.connected = self._gauge("slack_connected", "1 while people in Slack can reach the bot.")
        self.reconnects = self._counter("slack_reconnects", "Socket Mode connections after the first one.")
        self.rate_limited = self._counter("slack_rate_limited", "Calls that Slack answered with 429.")
        self.owed = self._gauge("deliveries_owed", "Messages that the bot owes Slack now.")
        self.oldest_owed = self._gauge("oldest_delivery_age_seconds", "Age of the oldest of these.")
        self.blocked = self._gauge("deliveries_blocked", "Messages that Slack has refused three times or more.")
        self.abandoned = self._counter("deliveries_abandoned", "Messages that were given up.")
        for kind in KINDS:
            self.acknowledgement.labels(kind)

    def _of_the_database(self) -> None:
        self.ready = self._gauge("ready", "What /readyz says: 1 for 200.")
        self.commit = self._histogram("store_commit", "Duration of a group commit.", _COMMITS)
        self.queue = self._gauge("store_queue", "Transactions that wait for the writer.")
        self.events = self._gauge("record_events", "The number of the last event on record.")
        self.verified = self._gauge("record_verified_event", "The last event up to which the record is verified.")
        self.damaged = self._gauge("record_damaged", "1 once the verification has found damage.")
        self.backup_age = self._gauge("backup_age_seconds", "Time since the last backup, or the first event.")

    def count(self, event: Event, waited: float | None) -> None:
        """Count a new event of the record; ``waited`` is how many seconds after its request it happened, if known.

        An event that this version cannot read counts nothing: that is for the verification to say.
        """
        try:
            content = event.content
        except (KeyError, ValueError):
            return
        match content:
            case Requested():
                self.requests.labels("accepted").inc()
            case RequestRefused(why=why):
                self.requests.labels(why).inc()
            case ClickRefused(act=act, why=why):
                self.clicks_refused.labels(act, why).inc()
            case DeliveryAbandoned():
                self.abandoned.inc()
        if (result := _DECISIONS.get(type(content))) is not None:
            self.decisions.labels(result).inc()
            if waited is not None and isinstance(content, Approved | Rejected):
                self.decision.observe(waited)
        if (end := _ENDS.get(type(content))) is not None:
            self.cancellations.labels(end, _cause(content)).inc()
            if waited is not None:
                self.outcome.observe(waited)

    def attempted(self, answer: Answer, seconds: float) -> None:
        """Count a call to the gateway."""
        self.attempts.labels(answer.outcome, answer.reason or "").inc()
        self.attempt.observe(seconds)

    def acknowledged(self, kind: str, seconds: float) -> None:
        """Count an acknowledgement of one of ``KINDS``."""
        self.acknowledgement.labels(kind).observe(seconds)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"cancel_desk_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"cancel_desk_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"cancel_desk_{name}_seconds", about, labels, registry=self.registry, buckets=buckets)


class _LogLines(Collector):
    """The lines that are missing in the log of this process, which is that of all its bots."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metric as it is now."""
        yield CounterMetricFamily("cancel_desk_log_lines_lost", "Log lines that nothing took.", value=log.lines_lost())


def _cause(content: Content) -> str:
    match content:
        case StoppedTrying():
            return STOPPED
        case Answered(answer=answer):
            return str(answer.reason or answer.trouble or "")
        case _:
            return ""


def add_route(application: web.Application, metrics: Metrics, sample: Callable[[], None]) -> None:
    """Serve ``/metrics``; ``sample`` sets what is only known in the moment of a scrape, out of memory."""

    async def scrape(_: web.Request) -> web.Response:
        sample()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application.router.add_get("/metrics", scrape)
