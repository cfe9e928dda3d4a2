"""The operator's sentences: every code has one, with its parameter and no code name in it."""

import errno
import re
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.attempt import Answer, Outcome, Trouble
from bot.domain.cancellation import State
from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.projection import Contradiction, Subject
from bot.domain.verification import Damage, Verification
from bot.store.erasure import Gone
from bot.store.errors import StoreError, StoreProblem
from bot.wording import (
    FILTERS,
    answer,
    cannot_listen,
    contradiction,
    erased,
    events,
    freeze_begun,
    freeze_ended,
    look_up_mistake,
    no_way_to_slack,
    span,
    store_error,
    store_problem,
    trouble,
    verification,
)

HEAD = "#7·BINSYPIKDMWD2CQ3FQ6QUGZMHU"
CONTRADICTION = Contradiction(Subject.STATE, "ord_1", 7, "pending", "cancelled")
FILE = Path("/var/lib/desk/bot.db")
CODE_NAME = re.compile(r"\b[a-z]+_[a-z_]+\b|None|\{|\}|\(\)")


def plain(text: str) -> str:
    """Return the text, after checking that no code name, placeholder or empty parameter is left in it."""
    assert not CODE_NAME.search(text)
    return text


@pytest.mark.parametrize("problem", StoreProblem)
def test_every_problem_of_the_store_names_the_file_and_the_way_out(problem: StoreProblem) -> None:
    """The file comes first, then the problem, then what to do, unless the bot is stopping anyway."""
    error = StoreError(problem, FILE, "some words.")

    state, remedy = store_problem(error)

    assert plain(state).startswith(f"{FILE}: ")
    assert len(state) > len(f"{FILE}: ")
    assert bool(plain(remedy)) is (problem is not StoreProblem.CLOSED)
    assert store_error(error) == (f"{state}. {remedy}." if remedy else f"{state}.")
    assert ".." not in store_error(error)


@pytest.mark.parametrize(
    "problem, about, words",
    [
        (StoreProblem.BUSY, "", "another bot is running on this file. Stop it first"),
        (StoreProblem.NEWER_SCHEMA, "m9", "a newer version of the bot has changed this file (m9). Start that version"),
        (StoreProblem.DISK_FULL, "database or disk is full", "database or disk is full. Free some space"),
        (StoreProblem.NEARLY_FULL, "512", "only 512 KiB are left on its disk. Free some space"),
        (StoreProblem.READ_ONLY, "attempt to write", "the file or its folder is read-only. Make both writable"),
        (StoreProblem.DAMAGED, "malformed page", "the database is damaged (malformed page). Stop the"),
        (
            StoreProblem.DAMAGED,
            "file is not a database",
            "this file is not a database, or its beginning is damaged. Ch",
        ),
        (StoreProblem.OTHER, "no such table: audit_events", "this is not a database of the bot. Check that DATABASE_"),
    ],
)
def test_a_problem_of_the_store_says_what_is_known(problem: StoreProblem, about: str, words: str) -> None:
    """The words of SQLite and of the system appear where they tell the operator more than ours."""
    assert words in store_error(StoreError(problem, FILE, about))


@pytest.mark.parametrize("about", ["", "30"])
@pytest.mark.parametrize("code", Trouble)
def test_every_trouble_of_the_gateway_is_a_clause(code: Trouble, about: str) -> None:
    """Each code has a clause, and a parameter that is missing leaves no empty brackets."""
    words = plain(trouble(code, about))
    assert words
    assert not words.endswith(".")


def test_a_limit_is_in_seconds_and_may_be_missing() -> None:
    """A client without a limit still gets a clause."""
    assert trouble(Trouble.NO_ANSWER_IN_TIME, "30") == "no answer within 30 s"
    assert trouble(Trouble.NO_ANSWER_IN_TIME, "") == "no answer in time"
    assert trouble(Trouble.NOT_CONNECTED, "Connection refused") == "no connection (Connection refused)"


@pytest.mark.parametrize(
    "reason, hint",
    [
        ("self-signed certificate", True),
        ("self-signed certificate in certificate chain", True),
        ("unable to get local issuer certificate", True),
        ("", True),
        ("certificate has expired", False),
        ("Hostname mismatch, certificate is not valid for 'slack.com'.", False),
    ],
)
def test_an_authority_is_added_only_where_that_helps(reason: str, hint: bool) -> None:
    """An old certificate, or one for another host, stays untrusted whatever authority is added."""
    for words in (trouble(Trouble.CERTIFICATE, reason), no_way_to_slack("certificate_not_trusted", reason)):
        assert "its certificate is not trusted" in words
        assert reason.rstrip(".") in words
        assert ("add the CA by SSL_CERT_FILE" in words) is hint


@pytest.mark.parametrize(
    "error, says",
    [
        (OSError(errno.EADDRINUSE, "address already in use"), "h:1: address already in use. Choose another PORT."),
        (OSError(errno.EADDRNOTAVAIL, "no such address"), "h:1: no such address. Choose another PORT."),
        (OSError(errno.EACCES, "permission denied"), "h:1: permission denied. Choose another PORT."),
        (socket.gaierror(-2, "Name not known"), "h:1: Name not known. Choose another PORT."),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "This process can't open more files. Raise the limit of open files (`ulimit -n`).",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "The start failed: Cannot allocate memory."),
        (OSError("no errno"), "The start failed: no errno."),
    ],
)
def test_another_address_is_advised_only_where_the_address_is_wrong(error: OSError, says: str) -> None:
    """A remedy belongs to its cause."""
    assert cannot_listen(error, "h:1", "Choose another PORT") == says


@pytest.mark.parametrize("in_use", [True, False])
@pytest.mark.parametrize("due, later, enough", [(0, 0, 0), (1, 2, 4)])
def test_what_goes_on_after_a_freeze_is_told_only_of_a_bot_that_runs(
    in_use: bool, due: int, later: int, enough: int
) -> None:
    """Nothing goes to the gateway where no bot has the file open, and not everything goes now."""
    begun, over = freeze_begun(FILE, 3, in_use=in_use), freeze_ended(FILE, 3, due, later, enough, in_use=in_use)
    assert all(str(FILE) in plain(text) for text in (begun, over))
    assert ("Everything is frozen" in begun) == in_use
    assert ("due to go to the gateway now: 1." in over) == (in_use and due > 0)
    assert ("next attempt: 2." in over) == (in_use and later > 0)
    assert ("With enough approvals, if all of them count by the settings of then: 4." in over) == (
        in_use and enough > 0
    )
    assert ("uses another database" in begun and "uses another database" in over) == (not in_use)


def test_slack_s_own_errors_are_no_trouble_on_the_way() -> None:
    """They have words of their own."""
    assert no_way_to_slack("invalid_auth", "") == ""
    for problem in ("tls_failed", "proxy_not_reachable", "proxy_refused"):
        assert plain(no_way_to_slack(problem, "HTTP 403"))


@pytest.mark.parametrize(
    "found, words",
    [
        (Answer(Outcome.CANCELLED, http_status=200), "HTTP 200"),
        (Answer(Outcome.REFUSED, http_status=409, message="Order is completed"), "Order is completed (HTTP 409)"),
        (Answer(Outcome.NOT_SENT, trouble=Trouble.NAME_NOT_FOUND), trouble(Trouble.NAME_NOT_FOUND, "")),
        (
            Answer(Outcome.UNKNOWN, trouble=Trouble.TOO_LONG, trouble_about="64", http_status=200),
            "its answer is longer than 64 KiB (HTTP 200)",
        ),
        (
            Answer(Outcome.NOT_SENT, trouble=Trouble.NO_REASON, http_status=503, message="Maintenance"),
            "Maintenance (HTTP 503)",
        ),
        (
            Answer(Outcome.NOT_SENT, trouble=Trouble.NO_REASON, http_status=503, code="MAINTENANCE"),
            "it gave no message that the bot can read; the code is MAINTENANCE (HTTP 503)",
        ),
        (
            Answer(Outcome.UNKNOWN, trouble=Trouble.ANOTHER_ORDER, http_status=200, message="Order cancelled."),
            f"{trouble(Trouble.ANOTHER_ORDER, '')}; it says “Order cancelled.” (HTTP 200)",
        ),
        (Answer(Outcome.NOT_SENT, http_status=401, code="FORBIDDEN"), "the code is FORBIDDEN (HTTP 401)"),
    ],
)
def test_the_gateways_own_words_come_first(found: Answer, words: str) -> None:
    """An answer is the gateway's message or else the trouble, with the HTTP status if there is one.

    Words that read like an outcome, and do not prove it, come after what they lack.
    """
    assert answer(found) == words


@pytest.mark.parametrize("damage", Damage)
def test_every_damage_names_its_event(damage: Damage) -> None:
    """Each damage has its sentences, and those about a place in the record name the event."""
    words = plain(verification(Verification(7, HEAD, damage, 8, 12, "a trigger", CONTRADICTION)))

    assert words.endswith(".")
    unnumbered = {
        *(Damage.BEGINNING_REMOVED, Damage.SCHEMA, Damage.UNSOUND, Damage.CONTRADICTION, Damage.TREE),
        *(Damage.SEAL_GONE, Damage.SEAL_FORGED, Damage.SEALED_WITH_ANOTHER_KEY, Damage.NEVER_SEALED),
        Damage.KEY_WITHOUT_SEAL,
    }
    assert any(f"{number}" in words for number in (7, 8)) is (damage not in unnumbered)


@pytest.mark.parametrize("subject", Subject)
@pytest.mark.parametrize("order", ["ord_1", ""])
@pytest.mark.parametrize("seq", [0, 3])
def test_every_contradiction_names_its_order_and_what_both_say(subject: Subject, order: str, seq: int) -> None:
    """The engineer reads which order it is and in what the database contradicts the record."""
    words = plain(contradiction(Contradiction(subject, order, seq, "said", "kept")))
    assert words.endswith(".")
    assert order in words or subject is Subject.WORDS
    if subject not in {Subject.EVENT, Subject.WORDS, Subject.REQUEST}:
        assert "“said”" in words
        assert "“kept”" in words


@pytest.mark.parametrize(
    "found, words",
    [
        (Verification(5, "#5·0a1b2c3d"), "The record is intact: 5 events, head #5·0a1b2c3d."),
        (Verification(0, ""), "The record is intact: 0 events, head (empty)."),
        (Verification(2, "#2·0a1b2c3d", Damage.REMOVED, 3, 3), "The record is damaged. Event 3 is missing."),
        (Verification(2, "#2·0a1b2c3d", Damage.REMOVED, 3, 9), "The record is damaged. Events 3 to 9 are missing."),
        (
            Verification(7, "#7·0a1b2c3d", Damage.ANOTHER_HEAD, 8),
            (
                "Event 8 does not match this head. Check the head for typing errors and that it comes from this"
                " database; if both are right, the record was rewritten."
            ),
        ),
        (
            Verification(7, "#7·0a1b2c3d", Damage.CUT, 8, 9),
            (
                "The record ends with event 7, but this head is from event 9. Check the head for typing errors and that"
                " it comes from this database; if both are right, the end of the record was cut off."
            ),
        ),
    ],
)
def test_what_a_verification_found(found: Verification, words: str) -> None:
    """A mistyped head is not called damage, because the head is what may be wrong."""
    assert verification(found) == words


def test_one_event_is_singular() -> None:
    """A count of one has no plural."""
    assert events(Verification(1, "#1·0a1b2c3d")) == "1 event, head #1·0a1b2c3d"


@pytest.mark.parametrize("mistake", Mistake)
def test_every_mistake_in_a_look_up_is_a_sentence(mistake: Mistake) -> None:
    """Each mistake has its sentence, which quotes the word if one word is wrong."""
    words = plain(look_up_mistake(NotAFilter(mistake, "qwerty")))

    about_no_word = {Mistake.TOO_LONG, Mistake.ENDS_BEFORE_IT_BEGINS, Mistake.EVIDENCE_OF_AN_ORDER}
    assert words.endswith(".")
    assert ("'qwerty'" in words) is (mistake not in about_no_word)


def test_the_usage_names_every_state() -> None:
    """Somebody who typed a wrong state finds the right one below the message."""
    assert [state for state in State if state not in FILTERS] == []


@pytest.mark.parametrize(
    "seconds, says", [(61, "61 s"), (-10800, "10800 s"), (172799, "172799 s"), (-2335262397, "27028 days")]
)
def test_big_differences_of_clocks_are_told_in_days(seconds: int, says: str) -> None:
    """Nobody can read ten digits of seconds."""
    assert span(timedelta(seconds=seconds)) == says


def test_words_that_were_added_are_told_as_well() -> None:
    """The engineer must not look for what is missing where somebody has put a text in."""
    says = contradiction(Contradiction(Subject.WORDS, "ord_1", 7, "more"))
    assert "The words beside event 7 are missing, changed or added" in says


def test_an_erasure_says_that_the_reason_of_a_freeze_stays() -> None:
    """Whoever must erase a person's words knows when to come back."""
    said = erased(Gone(0, 0, freeze_stays=True))
    assert said.endswith("The reason of the freeze stays as long as it is in force. Erase again when it is over.")
