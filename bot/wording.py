"""Sentences for the operator: the command line, ``doctor``, ``/readyz`` and the remedies in the log.

The rest of the code has codes with parameters, and the people in Slack have ``bot/slack/views``. Only the types that
are explained here are imported, so that every edge can use this module. A test keeps the tables complete. It is long
because it is a table of words for each code.
"""

import errno
import socket
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

from bot.domain.attempt import DESPITE_WORDS, Answer, Trouble
from bot.domain.cancellation import State
from bot.domain.freeze import Freeze
from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.projection import Contradiction, Subject
from bot.domain.verification import Damage, Verification
from bot.masking import path_shown
from bot.printable import printable
from bot.store.erasure import Gone
from bot.store.errors import StoreError, StoreProblem
from bot.store.place import Place
from bot.store.restore import AnotherWay, Restoration

_NAMED = 5
_MORE_FILES = "Raise the limit of open files (`ulimit -n`)"
_FREE_SPACE = "Free some space on that disk. Nothing that the bot has acknowledged is lost"

_STORE_PROBLEMS: dict[StoreProblem, tuple[str, str]] = {
    StoreProblem.BUSY: (
        "another bot is running on this file",
        "Stop it first: two bots would do everything twice",
    ),
    StoreProblem.NEWER_SCHEMA: (
        "a newer version of the bot has changed this file ({about})",
        "Start that version, or restore a backup that is older than it",
    ),
    StoreProblem.DAMAGED: (
        "the database is damaged ({about})",
        "Stop the bot, keep this file for inspection, and restore the latest backup",
    ),
    StoreProblem.SCHEMA_ALTERED: (
        "{about} is not as the bot makes it, so somebody has altered the tables, indexes or triggers",
        "Keep this file, find out who changed it, and restore a backup",
    ),
    StoreProblem.MISSING: (
        "there is no such file",
        "Check that DATABASE_URL is the one that the bot runs with",
    ),
    StoreProblem.THE_SAME: ("this is the database itself", "Name a copy that `backup` made"),
    StoreProblem.NOT_A_FILE: (
        "this is a directory or a device, not a file",
        "Set DATABASE_URL to the path of a file",
    ),
    StoreProblem.FOREIGN: (
        "this is the database of another program, and the bot has changed nothing in it",
        "Set DATABASE_URL to a file of the bot's own, or to a new one",
    ),
    StoreProblem.INCOMPLETE: (
        "the newest changes are missing, because {about} is not beside this file",
        "Stop a bot before you copy its file, or use the command `backup`. If that file is lost, restore a backup",
    ),
    StoreProblem.LOG_ALONE: (
        "the file is missing or empty, but {about} is beside it",
        "Put the file back, or restore a backup. To begin a new record, move that one away first",
    ),
    StoreProblem.ANOTHER_LOG: (
        "{about} beside it belongs to another file or to an older state, and the two must not be mixed",
        "If a backup was put here, move the -wal and -shm files away, run `freeze --restored`, and start the bot",
    ),
    StoreProblem.LOG_DAMAGED: (
        "{about} beside it is damaged, so the newest changes cannot be read",
        "Keep a copy of both files. Restore a backup on another disk, and look what people decided since",
    ),
    StoreProblem.EMPTIED: (
        "this was a bot's file, but its tables or all events are gone",
        "Restore a backup. To begin a new record, move this file away first",
    ),
    StoreProblem.GONE: (
        "the file was deleted or renamed while the bot runs, so the bot accepts nothing more",
        "Put the same file back, or stop the bot, restore the latest backup and start it",
    ),
    StoreProblem.REPLACED: (
        "another file or other content was put in its place while the bot runs, so the bot accepts nothing more",
        "Stop the bot. To go on with this one, move -wal and -shm away, run `freeze --restored`, and start the bot",
    ),
    StoreProblem.CUT: (
        "the file was cut off while the bot runs, so the bot accepts nothing more",
        "Stop the bot, keep this file for inspection, and restore the latest backup",
    ),
    StoreProblem.LOG_GONE: (
        "{about} beside it was deleted, replaced or cut off while the bot runs, so the bot accepts nothing more",
        "Put the same file back, or stop the bot, restore the latest backup and start it",
    ),
    StoreProblem.DISK_FULL: ("{about}", _FREE_SPACE),
    StoreProblem.NEARLY_FULL: ("only {about} KiB are left on its disk", _FREE_SPACE),
    StoreProblem.DISK_FAILING: (
        "{about}",
        "The disk is full or failing: check its free space and the system's log",
    ),
    StoreProblem.READ_ONLY: (
        "the file or its folder is read-only",
        "Make both writable for the bot's user",
    ),
    StoreProblem.LOCKED: (
        "another program keeps the database locked",
        "Close that program (a shell, a viewer) and try again",
    ),
    StoreProblem.FOLDER_READ_ONLY: (
        "{about}, because its folder is read-only",
        # The bot's own file has others beside it while it is open; a backup is one file, and opens without them.
        "Make it writable for the bot's user. Only a backup can be read in a read-only folder",
    ),
    StoreProblem.BELOW_A_FILE: (
        "a part of this path is a file, not a folder",
        "Set DATABASE_URL to a path in a folder",
    ),
    StoreProblem.TOO_MANY_FILES: ("{about}", _MORE_FILES),
    StoreProblem.CANNOT_OPEN: (
        "{about}",
        "Check that the folder exists and belongs to the bot's user",
    ),
    StoreProblem.SERVER_AWAY: (
        "the database server does not answer ({about})",
        "Check that PostgreSQL runs and can be reached; the bot goes on by itself as soon as it answers",
    ),
    StoreProblem.SERVER_REFUSES: (
        "the database server refuses the connection ({about})",
        "Check the user, the password, the database and the certificate in DATABASE_URL",
    ),
    StoreProblem.STANDBY: (
        "the database server takes no writes ({about})",
        "Name the primary in DATABASE_URL, or all servers (docs/operating.md); the bot goes on once one takes writes",
    ),
    StoreProblem.SERVER_FULL: (
        "the database server has no room left ({about})",
        "Free some space on the server's disk. Nothing that the bot has acknowledged is lost",
    ),
    StoreProblem.OLD_SERVER: ("the database server is PostgreSQL {about}", "The bot needs PostgreSQL 13 or newer"),
    StoreProblem.NOT_UNICODE: (
        "the database keeps text as {about}, which has not all characters that people and the gateway write",
        "Create another one: CREATE DATABASE desk ENCODING 'UTF8' TEMPLATE template0",
    ),
    StoreProblem.NO_DRIVER: (
        "the library for PostgreSQL is not installed",
        "Install the bot with its extra `postgres`, which brings psycopg",
    ),
    StoreProblem.NO_TABLES: (
        "no bot has made its tables in this database",
        "Check that DATABASE_URL is the one that the bot runs with",
    ),
    StoreProblem.NOT_EMPTY: (
        "there is something in this database already",
        "Name a database that is empty or new",
    ),
    StoreProblem.NO_RIGHTS: (
        "the role in DATABASE_URL may not do what it must ({about})",
        "Grant it the rights in docs/operating.md, and let the owner of the tables run the newest version once",
    ),
    StoreProblem.UNDONE: (
        "the database server kept nothing of the last transaction ({about})",
        "Try again. Check the server's log and the way to it if this comes again",
    ),
    StoreProblem.UNCERTAIN: (
        "the database server may or may not have kept the last transaction ({about})",
        "Look at what is there before you try again. Check the server's log and the way to it",
    ),
    StoreProblem.NOT_REPLICATED: (
        "the database server kept the last transaction without its standby",
        "Check the standby: what is on one machine alone can be lost with it",
    ),
    StoreProblem.HISTORY_LOST: (
        "the database server no longer has event {about}, which it had confirmed, so the bot accepts nothing more",
        "Run `freeze --restored`, find out whether a standby took over and what is missing; then restart the bot",
    ),
    StoreProblem.TAKEN_OVER: (
        "another database server has taken over, and the bot looks first whether it may lack something",
        "This ends within some seconds. If it does not, look into the log",
    ),
    StoreProblem.TWO_PRIMARIES: (
        "{about} takes writes as well, so nobody knows which of the two has the record",
        "Switch the old primary off, or take it out of DATABASE_URL",
    ),
    StoreProblem.CLOCKS_DIFFER: (
        "this bot's time is {about} s away from the database server's, so nobody knows how old a click is",
        "Set both machines' clocks (NTP) and restart the bot; it may be that a host has paused this machine",
    ),
    StoreProblem.TOO_SLOW: (
        "somebody waited for more than {about} s, which is too long",
        "Check the database's disk, for a server also that server and the way to it, and what may stop this process",
    ),
    StoreProblem.SEALED: (
        "the record is sealed with the key {about}, and RECORD_KEY is not set here",
        "Set RECORD_KEY to that key, also for the commands: without it nothing can be added to this record",
    ),
    StoreProblem.ANOTHER_KEY: (
        "the record is sealed with the key {about}, and RECORD_KEY is another one",
        "Set RECORD_KEY to that key. To change it, stop all bots and start one with the new key",
    ),
    StoreProblem.SEAL_BROKEN: (
        "the seal of the record is not as the bot made it, so the bot accepts nothing more",
        "Keep the database, find out who changed it, and restore a backup",
    ),
    StoreProblem.NOT_SEALED: (
        "the record does not end with event {about}, which was sealed last, so the bot accepts nothing more",
        "Run `audit verify`, keep the database, find out who changed it, and restore a backup",
    ),
    StoreProblem.CLOSED: ("the bot is stopping and has closed the database", ""),
    StoreProblem.OTHER: ("{about}", "Check the file and its disk"),
}
"""What is wrong and what to do, both without a full stop."""


_NOT_OURS = (
    "this is not a database of the bot",
    "Check that DATABASE_URL is the one that the bot runs with",
)
_NO_DATABASE = (
    "this file is not a database, or its beginning is damaged",
    "Check that DATABASE_URL names the bot's file. If it does, stop the bot, keep the file and restore a backup",
)


def store_error(error: StoreError) -> str:
    """Return sentences that name the file, the problem and the way out."""
    problem, remedy = store_problem(error)
    return f"{problem}. {remedy}." if remedy else f"{problem}."


def store_problem(error: StoreError) -> tuple[str, str]:
    """Return the file with its problem, and what to do about it, both without a full stop."""
    problem, remedy = _STORE_PROBLEMS[error.problem]
    if error.about.startswith("no such table"):
        problem, remedy = _NOT_OURS
    elif error.about == "file is not a database":
        problem, remedy = _NO_DATABASE
    return f"{path_shown(error.path)}: {problem.format(about=error.about.rstrip('.'))}", remedy


_TROUBLES: dict[Trouble, str] = {
    Trouble.UNFIT_CREDENTIAL: "nothing was sent, because {about} is empty or does not fit into an HTTP header",
    Trouble.BAD_ADDRESS: "DVPAY_BASE_URL is not an http or https address",
    Trouble.RECORD_CONTRADICTS: "nothing was sent, because the database contradicts the record in {about}",
    Trouble.NAME_NOT_FOUND: "no connection, because its host name was not found (DNS)",
    Trouble.NOT_CONNECTED: "no connection{details}",
    Trouble.NO_CONNECTION_IN_TIME: "no connection {limit}",
    Trouble.NO_FREE_CONNECTION: "no free connection {limit}",
    Trouble.PROXY: "the proxy made no connection{details}",
    Trouble.CERTIFICATE: "no connection, because {certificate}",
    Trouble.TLS: "no connection, because the TLS handshake failed{details}",
    Trouble.NOT_WRITTEN_IN_TIME: "the request could not be sent {limit}",
    Trouble.NO_ANSWER_IN_TIME: "no answer {limit}",
    Trouble.CONNECTION_LOST: "the connection ended without an answer that could be read",
    Trouble.STOPPED: "the bot kept no answer; it may have been stopped",
    Trouble.UNEXPECTED: "the call ended unexpectedly{details}",
    Trouble.REDIRECT: "it answered with a redirect, which the bot does not follow; check DVPAY_BASE_URL",
    Trouble.NO_REASON: "it gave no message that the bot can read",
    Trouble.COMPRESSED: "its answer is compressed, so the bot did not read it",
    Trouble.TOO_LONG: "its answer is longer than {about} KiB",
    Trouble.BROKEN_OFF: "its answer broke off",
    Trouble.SOMEBODY_ELSE: "an answer came, but not in the gateway's form; something between the bot and the gateway"
    " may have sent it",
    Trouble.CONTRADICTORY: "its answer contradicts itself",
    Trouble.UNCLEAR_REFUSAL: "it said no, but not for certain how the order stands",
    Trouble.NO_CONFIRMATION: "its answer is not the documented confirmation",
    Trouble.ANOTHER_ORDER: "its answer is about another order",
    Trouble.ANOTHER_STATUS: "its answer has the status “{about}”, not “cancelled”",
}
"""Clauses about the gateway. Some parameters may be missing, such as OpenSSL's reason."""


def trouble(trouble: Trouble, about: str) -> str:
    """Return a clause about what kept the gateway from a clear answer, such as "no answer within 30 s"."""
    return _TROUBLES[trouble].format(
        about=about,
        details=f" ({about})" if about else "",
        limit=f"within {about} s" if about else "in time",
        certificate=_certificate(about),
    )


def span(of_time: timedelta) -> str:
    """Return how long this is, without a sign: in seconds, or in whole days from two days on."""
    long = abs(of_time)
    return f"{long.days} days" if long >= timedelta(days=2) else f"{long.total_seconds():.0f} s"


_UNKNOWN_ISSUERS = ("self-signed", "self signed", "issuer", "verify the first certificate")
"""Parts of OpenSSL's reasons that mean that nothing but the authority is in doubt."""


def _certificate(reason: str) -> str:
    """Return a clause about a certificate that was not trusted, with the way out where there is one on this side."""
    clause = "its certificate is not trusted" + (f": {reason.rstrip('.')}" if reason else "")
    if not reason or any(part in reason for part in _UNKNOWN_ISSUERS):
        # A company's proxy that opens the connections is the usual cause.
        clause += "; add the CA by SSL_CERT_FILE"
    return clause


def no_way_to_slack(problem: str, about: str) -> str:
    """Return a clause about what stands between the bot and Slack; empty if ``problem`` is another kind of error."""
    match problem:
        case "certificate_not_trusted":
            return _certificate(about)
        case "tls_failed":
            return "the TLS handshake failed" + (f" ({about})" if about else "")
        case "not_reachable":
            return "its address cannot be reached; check the network, SLACK_API_URL and HTTPS_PROXY"
        case "no_answer_in_time":
            return "it did not answer in time"
        case "proxy_not_reachable":
            return "the proxy is not reachable; check HTTPS_PROXY"
        case "proxy_refused":
            return f"the proxy made no connection ({about}); check HTTPS_PROXY, or set NO_PROXY"
        case _:
            return ""


def answer(answer: Answer) -> str:
    """Return an attempt's result in a few words: the gateway's own if there are any, with the HTTP status."""
    words = answer.message
    if answer.trouble is not None and (not answer.message or answer.trouble in DESPITE_WORDS):
        own = f"; it says “{answer.message}”" if answer.message else ""
        words = f"{trouble(answer.trouble, answer.trouble_about)}{own}"
    if answer.code and not answer.message:
        words = f"{words}; the code is {answer.code}" if words else f"the code is {answer.code}"
    status = f"HTTP {answer.http_status}" if answer.http_status else ""
    return f"{words} ({status})" if words and status else words or status


def erased(gone: Gone) -> str:
    """Return sentences about what an erasure has done, and what it has left."""
    texts = "1 text is" if gone.texts == 1 else f"{gone.texts or 'No'} texts are"
    sentences = [f"{texts} erased."]
    if gone.spellings:
        sentences.append(
            f"No order is on record as you typed it. In other capital letters: {', '.join(gone.spellings)}."
        )
    if gone.still_open:
        open_ones = "1 request is" if gone.still_open == 1 else f"{gone.still_open} requests are"
        sentences.append(f"{open_ones} still open, so their words stay. Erase again when they have ended.")
    if gone.freeze_stays:
        sentences.append("The reason of the freeze stays as long as it is in force. Erase again when it is over.")
    if not gone.from_log:
        sentences.append(
            "Somebody was reading the file, so the words are still on its pages or in its log. Erase again in a moment."
        )
    return " ".join(sentences)


def restored(path: Path, done: Restoration) -> str:
    """Return what is in the file now, where the former one is, and what to do next."""
    kept = f" The database before is kept as {path_shown(done.kept)}." if done.kept else ""
    known = f" {compared(done.another_way)}" if done.another_way else ""
    unread = " and ".join(map(path_shown, done.not_compared))
    # A backup of that very database has nothing that it could know better.
    not_compared = (
        f" {unread} cannot be read, so the copy was not compared with that. If it is no backup of that database, look"
        " at the gateway for orders that are not cancelled in the copy."
        if unread
        else ""
    )
    return (
        f"{path_shown(path)}: {events(done.verification)}.{kept}{known}{not_compared} Everything is frozen in it: what"
        " people decided after the backup is not on record. Start the bot, and no other one with the same Slack tokens."
        " Check at the gateway the orders of requests that are open again, and those that people asked for after the"
        " backup. Stop or reject what must not be cancelled, and unfreeze."
    )


def compared(another_way: AnotherWay) -> str:
    """Return how many requests that have ended in a copy went another way in a database that it was compared with."""
    count = len({number for number, _ in another_way})
    requests = "1 request that has" if count == 1 else f"{count or 'No'} requests that have"
    return f"{requests} ended in it went another way in a database that it was compared with."


_ANOTHER_DATABASE = (
    "If your bot is running, it uses another database: check that DATABASE_URL is the one that it runs with."
)


def frozen_already(freeze: Freeze, path: Place, *, in_use: bool) -> str:
    """Return who began the freeze that is in force in this file, and if no bot has it open."""
    since = f"{freeze.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    known = f"{path_shown(path)} was frozen already, by {freeze.name or freeze.by} since {since}."
    return known if in_use else f"{known} No bot has it open. {_ANOTHER_DATABASE}"


def freeze_begun(path: Place, waiting: int, *, in_use: bool) -> str:
    """Return what stands still from now on: ``waiting`` requests. ``in_use`` is true while a bot has the file open."""
    requests = "1 request stands still" if waiting == 1 else f"{waiting or 'No'} requests stand still"
    if not in_use:
        return f"{path_shown(path)} is frozen, but no bot has it open. {requests} in it. {_ANOTHER_DATABASE}"
    return f"Everything is frozen in {path_shown(path)}. {requests}. A call to the gateway that has begun still ends."


def freeze_ended(path: Place, waiting: int, due: int, later: int, enough: int, *, in_use: bool) -> str:
    """Return what is open: of that, ``due`` approved requests are due at the gateway, ``later`` wait for their time.

    ``enough`` others have enough approvals by the settings of the last start, so that the bot approves them by itself.
    """
    over = f"The freeze of {path_shown(path)} is over."
    if not in_use:
        return f"{over} No bot has it open, so nothing goes on before one starts with it. {_ANOTHER_DATABASE}"
    requests = "1 request is open" if waiting == 1 else f"{waiting or 'No'} requests are open"
    now = f" Approved, and due to go to the gateway now: {due}." if due else ""
    waits = f" Approved, and waiting for the time of the next attempt: {later}." if later else ""
    counted = f" With enough approvals, if all of them count by the settings of then: {enough}." if enough else ""
    return f"{over} {requests}.{now}{waits}{counted}"


def not_frozen(path: Place, *, in_use: bool) -> str:
    """Return that there was nothing to end in this file, and if no bot has it open."""
    known = f"Nothing was frozen in {path_shown(path)}."
    return known if in_use else f"{known} No bot has it open. {_ANOTHER_DATABASE}"


def another_gateway(former: str, current: str, orders: Sequence[str]) -> tuple[str, str]:
    """Return that the address of the gateway is another one, and why a bot does not start so, with both ways out.

    The first is without its full stop.
    """
    more = len(orders) - _NAMED
    named = ", ".join(map(printable, orders[:_NAMED])) + (f" and {more} more" if more > 0 else "")
    remedy = (
        "That gateway is still to be asked about these orders, or only it knows whether they are cancelled:"
        f" {named}. Start with the former address until they have ended, and settle in Slack what is not known. If it"
        f" is the same gateway at a new address, set DVPAY_MOVED_FROM={former}."
    )
    return f"DVPAY_BASE_URL is {current}, but the bot worked with {former} before", remedy


_ABOUT_THE_ADDRESS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EAFNOSUPPORT}


def cannot_listen(error: OSError, place: str, remedy: str) -> str:
    """Return why the process could not begin. ``remedy`` helps only where the address ``place`` is what is wrong."""
    if error.errno in _ABOUT_THE_ADDRESS or isinstance(error, socket.gaierror):
        return f"{place}: {error.strerror}. {remedy}."
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"This process can't open more files. {_MORE_FILES}."
    return f"The start failed: {error.strerror or error}."


EXAMPLE_HEAD = "#42·BINSYPIKDMWD2CQ3FQ6QUGZMHU"
"""A head as it is shown, for help texts."""
_CHECK_THE_HEAD = "Check the head for typing errors and that it comes from this database"

_DAMAGES: dict[Damage, str] = {
    Damage.EDITED: "The record is damaged. Event {seq} does not have the content that it was written with.",
    Damage.EDITED_AND_REHASHED: "The record is damaged. Event {seq} was changed and given a new hash,"
    " but event {other} follows from the old one.",
    Damage.REMOVED: "The record is damaged. {missing} missing.",
    Damage.REMOVED_AND_RENUMBERED: "The record is damaged. An event before event {seq} was removed,"
    " and the later ones got new numbers.",
    Damage.BEGINNING_REMOVED: "The record is damaged. It does not begin with its first event.",
    Damage.INSERTED: "The record is damaged. Event {seq} was inserted: the one after it follows from event {other}.",
    Damage.INSERTED_AND_RENUMBERED: "The record is damaged. An event before event {seq} was inserted,"
    " and the later ones got new numbers.",
    # These two rest on a head that somebody typed, so they cannot say that the record is damaged.
    Damage.CUT: f"{{ends}}, but this head is from event {{other}}. {_CHECK_THE_HEAD}; if both are right, the end of the"
    " record was cut off.",
    Damage.ANOTHER_HEAD: f"Event {{seq}} does not match this head. {_CHECK_THE_HEAD}; if both are right, the record was"
    " rewritten.",
    Damage.MISTYPED_HEAD: "This head is mistyped: it differs from that of event {seq} in {places}. The chain of events"
    " is intact. Copy the head again, and try once more.",
    Damage.MISNUMBERED_HEAD: "This head is mistyped: its digits belong to event {other}, not to event {seq}. The chain"
    " of events is intact. Copy the head again, and try once more.",
    Damage.SCHEMA: "The database is altered. {about} is not as the bot makes it.",
    Damage.UNSOUND: "The database is damaged. SQLite says: {about}.",
    Damage.SEAL_GONE: "The record is damaged. It was sealed with the key {about}, and that seal is gone.",
    Damage.SEAL_FORGED: "The record is damaged. The seal of the key {about} is not as that key made it.",
    Damage.SEALED_WITH_ANOTHER_KEY: "No key that you gave has sealed anything here: the last seal is from the key"
    " {about}. Check that yours is the one that the bot had; if it is, the record was rewritten.",
    Damage.KEY_CHANGED: "What you gave has sealed the events up to {seq}. The later ones are sealed with the key"
    " {about}: give that one as well, if your team has changed the key; if not, they were forged.",
    Damage.KEY_WITHOUT_SEAL: "The key {about} has sealed nothing here, and others that you gave have. Check that the"
    " bot ever had it; if it did, the record was rewritten.",
    Damage.SEALED_EVENTS_CUT: "The record is damaged. {missing} sealed, and missing: the end was cut off.",
    Damage.UNSEALED: "The record is damaged. {unsealed} without a seal, so the bot did not write that.",
    Damage.NOT_AS_SEALED: "The record is damaged. Its events up to {seq} are not what the key {about} has sealed.",
    Damage.NEVER_SEALED: "The chain of events is intact, but the record has no seal, so this key proves nothing. Set"
    " RECORD_KEY; if the bot had it, somebody has removed the seal.",
    Damage.TREE: "The database is altered. The hash tree beside the events is not the one over them.",
    Damage.CONTRADICTION: "{contradiction}",
}

_SUBJECTS: dict[Subject, str] = {
    Subject.ORDER_ID: "its order ID",
    Subject.REASON: "its reason",
    Subject.CATEGORY: "the reason chosen from the list",
    Subject.SOURCE: "the message from which it came",
    Subject.REQUESTER: "its requester",
    Subject.STATE: "its state",
    Subject.QUORUM: "the number of approvals that it needs",
    Subject.REQUESTED_AT: "the time of the request",
    Subject.EXPIRES_AT: "the time at which it expires",
    Subject.APPROVAL_TTL: "how long it could wait for approval",
    Subject.CHANGED_AT: "the time of its last change",
    Subject.CHANGED_SEQ: "the event of its last change",
    Subject.CARD: "the place of its card",
    Subject.ATTEMPT_COUNT: "the number of attempts since its approval",
    Subject.REMINDED: "the number of reminders",
    Subject.ESCALATED_AT: "the time of its escalation",
    Subject.DUE_AT: "the time at which the bot looks at it next",
    Subject.DECISIONS: "its decisions",
    Subject.ATTEMPTS: "its attempts",
    Subject.DELIVERIES: "its messages in the outbox",
    Subject.WORDS: "the words beside event {seq}",
    Subject.EVENT: "event {seq}",
    Subject.REQUEST: "the request itself",
    Subject.NAME: "a person's name",
}


def subject(about: Subject, seq: int = 0) -> str:
    """Return a noun phrase for a thing in which the database can contradict the record."""
    return _SUBJECTS[about].format(seq=seq)


def contradiction(found: Contradiction) -> str:
    """Return sentences about the first thing in which the database contradicts the record."""
    about = f"order {found.order_id}" if found.order_id else "what is about no order"
    match found.subject:
        case Subject.EVENT:
            return f"The record is damaged. Event {found.seq}, on {about}, cannot follow the events before it."
        case Subject.WORDS:
            place = f"The words beside event {found.seq}" if found.seq else "Some words beside the events"
            how = "are missing, changed or added, and no event says that they were erased"
            return f"The record is damaged. {place} {how}."
        case Subject.REQUEST:
            return f"The database contradicts the record in {about}: one of them has no such request."
    said, kept = (f"“{text}”" if text else "nothing" for text in (found.said, found.kept))
    return (
        f"The database contradicts the record in {about}: {subject(found.subject)}. "
        f"The events say {said}, the table says {kept}."
    )


def verification(found: Verification) -> str:
    """Return one or more sentences about the result of a walk over the record."""
    if found.damage is None:
        return f"The record is intact: {events(found)}."
    seq, other = found.seq, found.other
    return _DAMAGES[found.damage].format(
        about=found.about.rstrip("."),
        places="1 place" if other == 1 else f"{other} places",
        contradiction=contradiction(found.contradiction) if found.contradiction else "",
        seq=seq,
        other=other,
        missing=f"Event {seq} is" if seq == other else f"Events {seq} to {other} are",
        unsealed=f"Event {seq} was added" if seq == other else f"Events {seq} to {other} were added",
        ends=f"The record ends with event {found.events}" if found.events else "The record is empty",
    )


def seals(found: Verification) -> list[str]:
    """Return sentences about what the seal of a sound record proves, and what it does not."""
    if not found.sealed_by:
        return ["It has no seal, so it does not prove who wrote it, and that its end is all there: see docs/record.md."]
    said, first = [f"Sealed up to its end with the key {found.sealed_by}."], 1
    for key, last in (*found.earlier, (found.sealed_by, found.events)) if found.earlier else ():
        said.append(f"{'Event' if first == last else f'Events {first} to'} {last}: the key {key}.")
        first = last + 1
    if found.sealed_by in found.unknown:
        said.append("The record itself names that key: give the one that you know with --key.")
    elif found.unknown:
        said.append(f"You did not give {', '.join(found.unknown)}: the last seal proves those events too.")
    return said


def backwards(found: Verification) -> str:
    """Return a sentence about times that run backwards, or an empty text."""
    if not found.backwards:
        return ""
    if found.backwards == 1:
        return f"Event {found.backwards_at} has an earlier time than the event before it: the clock was set back."
    return (
        f"{found.backwards} events have an earlier time than the event before, the first of them event"
        f" {found.backwards_at}: the clock was set back."
    )


def events(found: Verification) -> str:
    """Return the number of sound events with the last head, such as "5 events, head #5·" and its letters."""
    count = "1 event" if found.events == 1 else f"{found.events} events"
    return f"{count}, head {found.head or '(empty)'}"


FILTERS = f"""\
Filters, in any order, one of each kind:
  ORDER_ID                  all events of this order (order:7d if the ID looks like another filter)
  @U012AB3CD                what this person requested, decided, retried or stopped
  cancelled                 or another state: {", ".join(State)}
  duplicate payment         or another of REASONS, if that is set
  today, yesterday          requested on that day (UTC)
  30m, 12h, 7d, 4w          requested in the last 30 minutes, 12 hours, 7 days, 4 weeks
  2026-11-23                requested on this day (UTC)
  2026-11-01..2026-11-23    requested on these days (UTC)
Without a filter, all requests are listed."""
"""The usage of ``audit find``."""

_MISTAKES: dict[Mistake, str] = {
    Mistake.TOO_LONG: "These filters are too long.",
    Mistake.TWICE: "'{word}' is a second filter of the same kind. Give each kind once.",
    Mistake.FILE_NOT_LAST: "'{word}' asks for a file only once, as the last word, and only in Slack. "
    "Use --csv or 'audit evidence' here.",
    Mistake.EVIDENCE_OF_AN_ORDER: "Evidence is about one order. Use 'audit evidence ORDER' here.",
    Mistake.ENDS_BEFORE_IT_BEGINS: "The time range ends before it begins.",
    Mistake.NOBODY: "'{word}' does not name a person. Put @ before the member ID from the person's Slack profile.",
    Mistake.NO_STATE: "'{word}' is not a state.",
    Mistake.NO_SUCH_TIME: "'{word}' is not in the calendar.",
    Mistake.NO_FILTER: "'{word}' is not a filter.",
}


def look_up_mistake(error: NotAFilter) -> str:
    """Return a sentence about the filter that cannot be used."""
    return _MISTAKES[error.mistake].format(word=error.word)
