"""The commands on the record, on a real file that a bot has written."""

import asyncio
import csv
import io
import json
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.audit import Event
from bot.domain.events import BackedUp, Exported, Started, Stopped
from bot.domain.policy import Act, Actor, Members, Membership, Verdict
from bot.domain.seal import new_key, private_key, public_key
from bot.store import Store, StoreError, StoreProblem, open_beside, open_reader, verify_all
from bot.wording import EXAMPLE_HEAD
from bot.workflow import Rules, Wish, Workflow, decisions
from tests.clock import Clock

ANN = Actor("U0ANN", "ann", requester=Membership.MEMBER)
BEN = Actor("U0BEN", "ben", approver=Membership.MEMBER)


@dataclass
class Cli:
    """The command line with a database."""

    database: Path

    def __call__(self, *words: str, **variables: str) -> Result:
        """Run a command with these words and, besides DATABASE_URL, these variables."""
        return CliRunner().invoke(main, words, env={"DATABASE_URL": f"sqlite:///{self.database}"} | variables)


async def write(store: Store, rules: Rules, clock: Clock, order: str, reason: str, answer: Answer | None) -> None:
    """Write one request, and the way to this answer of the gateway if there is one."""
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    acted = await workflow.request(Wish(f"V-{order}", (order,), reason, "C1"), ANN)
    assert acted.verdict is Verdict.ALLOWED
    assert acted.request is not None
    clock.advance(1)
    if answer is not None:
        approvers = Members(frozenset({BEN.id}))
        await workflow.act(decisions.approve, Act.APPROVE, acted.request.id, BEN, approvers=approvers)
        claimed = await workflow.claim("w", calls=1, messages=0)
        [attempt] = claimed.attempts
        await workflow.record_answer(attempt, answer)


@pytest.fixture
def cli(database: Path, rules: Rules, clock: Clock) -> Cli:
    """One order cancelled, and one pending whose reason looks like a formula."""

    async def write_both() -> None:
        store = Store(database)
        await store.open()
        await write(store, rules, clock, "ord_1", "typed twice", Answer(Outcome.CANCELLED, http_status=200))
        await write(store, rules, clock, "ord_2", "=1+1\nsecond line", None)
        await store.close()

    asyncio.run(write_both())
    return Cli(database)


def forge(database: Path, *statements: str) -> None:
    """Change the record as somebody could who has the file."""
    with closing(sqlite3.connect(database)) as connection, connection:
        triggers = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'"
        ).fetchall()
        assert triggers
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def head(database: Path) -> str:
    """Return the head of the last event."""
    with closing(sqlite3.connect(database)) as connection, connection:
        row = connection.execute("SELECT * FROM audit_events ORDER BY seq DESC").fetchone()
    return Event(*row).head


# --- audit find ---------------------------------------------------------------------------------------


def test_find_prints_a_table_newest_first(cli: Cli) -> None:
    """Without filters every request is listed, one line each."""
    lines = cli("audit", "find").stdout.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["ord_2", "ord_1"]
    assert "approve:U0BEN" in lines[3]
    assert "second line" in lines[2]


def test_find_as_json_and_csv(cli: Cli) -> None:
    """Machines get everything, and a cell that begins like a formula is made harmless for spreadsheets."""
    found = json.loads(cli("audit", "find", "--json").stdout)
    assert [row["reason"] for row in found] == ["=1+1\nsecond line", "typed twice"]
    rows = list(csv.DictReader(io.StringIO(cli("audit", "find", "--csv").stdout)))
    assert [row["reason"] for row in rows] == ["'=1+1\nsecond line", "typed twice"]
    [names] = csv.reader(io.StringIO(cli("audit", "find", "state:expired", "--csv").stdout))
    assert names == list(found[0])
    assert json.loads(cli("audit", "find", "state:expired", "--json").stdout) == []


def test_find_knows_the_reasons_of_the_settings(cli: Cli, database: Path) -> None:
    """A reason of REASONS is a filter, in any case; a table has its column only where one was chosen."""
    assert "category" not in cli("audit", "find").stdout
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE requests SET category = 'wrong amount' WHERE reason = 'typed twice'")
    found = json.loads(cli("audit", "find", "Wrong", "AMOUNT", "--json", REASONS="fraud, wrong amount").stdout)
    assert [(row["order"], row["source"]) for row in found] == [("ord_1", "")]
    assert json.loads(cli("audit", "find", "fraud", "--json", REASONS="fraud, wrong amount").stdout) == []
    assert cli("audit", "find", "wrong", "amount").exit_code == 2
    assert cli("audit", "find", REASONS="fraud,").stderr.startswith("REASONS: has an empty entry")


def test_find_lists_the_events_of_an_order(cli: Cli) -> None:
    """An order ID lists its events, and a limit shortens the list."""
    found = json.loads(cli("audit", "find", "ord_1", "--json").stdout)
    assert [row["kind"] for row in found] == ["cancelled", "sending", "approved", "requested"]
    assert len(json.loads(cli("audit", "find", "ord_1", "--json", "--limit", "2").stdout)) == 2


def test_find_has_the_filters_of_the_command_in_slack(cli: Cli) -> None:
    """A person, a state and a time narrow the list down, and a wrong filter gets the usage."""
    found = json.loads(cli("audit", "find", "<@U0BEN>", "state:cancelled", "--json").stdout)
    assert [row["order"] for row in found] == ["ord_1"]
    assert "Nothing matches." in cli("audit", "find", "2020-01-01").stdout
    wrong = cli("audit", "find", "what?")
    assert (wrong.exit_code, "'what?' is not a filter" in wrong.stderr) == (2, True)
    assert "today, yesterday" in wrong.stderr


@pytest.mark.parametrize(
    "answer, result",
    [
        pytest.param(Answer(Outcome.CANCELLED, http_status=200), "HTTP 200", id="confirmed"),
        pytest.param(
            Answer(Outcome.REFUSED, reason=Reason.COMPLETED, http_status=409, message="Order is completed"),
            "Order is completed (HTTP 409)",
            id="refused",
        ),
        pytest.param(
            Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED, trouble_about="Connection refused"),
            "no connection (Connection refused)",
            id="not reached",
        ),
        pytest.param(None, "", id="pending"),
    ],
)
def test_find_shows_the_gateways_last_answer(
    database: Path, rules: Rules, clock: Clock, answer: Answer | None, result: str
) -> None:
    """The result is the gateway's message, or else what kept it from a clear answer."""

    async def write_one() -> None:
        store = Store(database)
        await store.open()
        await write(store, rules, clock, "ord_1", "", answer)
        await store.close()

    asyncio.run(write_one())
    assert [row["result"] for row in json.loads(Cli(database)("audit", "find", "--json").stdout)] == [result]


def test_find_reads_the_pattern_of_order_ids_from_the_settings(cli: Cli) -> None:
    """An order ID is what ORDER_ID_PATTERN says, as for the bot."""
    assert cli("audit", "find", "ord_1", ORDER_ID_PATTERN="[0-9]+").exit_code == 2
    assert cli("audit", "find", "ord_1", ORDER_ID_PATTERN="").exit_code == 0


def test_find_with_a_broken_pattern_names_the_variable(cli: Cli) -> None:
    """A broken ORDER_ID_PATTERN is one line and exit code 2, not a traceback."""
    ended = cli("audit", "find", ORDER_ID_PATTERN="(")
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (2, 1)
    assert ended.stderr.startswith("ORDER_ID_PATTERN: is not a valid regular expression")


def test_verify_and_backup_need_no_pattern(cli: Cli, tmp_path: Path) -> None:
    """A broken ORDER_ID_PATTERN does not keep anybody from a backup."""
    assert cli("audit", "verify", ORDER_ID_PATTERN="(").exit_code == 0
    assert cli("backup", str(tmp_path / "copy.db"), ORDER_ID_PATTERN="(").exit_code == 0


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_find_ends_quietly_if_nobody_reads_on(cli: Cli, form: list[str]) -> None:
    """The exit code is the one that a shell shows for SIGPIPE, and nothing is printed about it."""
    with started("audit", "find", "--database", str(cli.database), *form, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(20)) == ("", 141)


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_find_does_not_blame_the_database_for_a_full_disk(cli: Cli, form: list[str]) -> None:
    """If the output cannot be written, the message says that."""
    with (
        Path("/dev/full").open("w") as full,
        started("audit", "find", "--database", str(cli.database), *form, stdout=full) as process,
    ):
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (1, "Error: The output cannot be written: No space left on device.\n")


def started(*words: str, stdout: int | IO[str]) -> "subprocess.Popen[str]":
    """Start a command in a process of its own."""
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "bot", *words]
    return subprocess.Popen(command, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True)


# --- the file -----------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A look at a file that does not exist says so, and ends with 1."""
    for words in (["audit", "find"], ["audit", "verify"], ["backup", str(tmp_path / "copy.db")]):
        ended = CliRunner().invoke(main, words, env={"DATABASE_URL": "sqlite:////nowhere/bot.db"})
        assert (ended.exit_code, "/nowhere/bot.db: there is no such file" in ended.stderr) == (1, True)


FIND, VERIFY = ["audit", "find"], ["audit", "verify"]


@pytest.mark.parametrize("words", [FIND, VERIFY, ["backup", "copy.db"]])
@pytest.mark.parametrize(
    "content, says",
    [
        pytest.param(None, "this is a folder. Name the database file in it.", id="folder"),
        pytest.param(b"hello\n", "this file is not a database, or its beginning is damaged.", id="text"),
        pytest.param(b"", "this is not a database of the bot.", id="empty"),
        pytest.param(b"SQLite format 3\0" + b"x" * 5000, "", id="damaged"),
    ],
)
def test_a_file_that_is_no_database_of_the_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], content: bytes | None, says: str
) -> None:
    """It is one line with the way out, exit code 1, and nothing is changed or left behind."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bot.db"
    file.mkdir() if content is None else file.write_bytes(content)
    ended = Cli(file)(*words)
    assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert ended.stderr.startswith(f"{file}: {says}")
    assert list(tmp_path.iterdir()) == [file]
    assert content is None or file.read_bytes() == content


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_the_option_wins_over_the_variable(cli: Cli, form: str) -> None:
    """``--database`` is a path or a URL, and then DATABASE_URL may hold anything."""
    for words in (["audit", "find"], ["audit", "verify"]):
        ended = cli(*words, "--database", form.format(cli.database), DATABASE_URL="postgresql://user:secret@host/db")
        assert (ended.exit_code, ended.stderr) == (0, "")


def test_an_option_that_is_another_database_shows_no_password(cli: Cli) -> None:
    """A password inside ``--database`` is not printed."""
    ended = cli("audit", "find", "--database", "postgresql://user:secret@host/db")
    assert (ended.exit_code, "belongs into DATABASE_URL" in ended.stderr, "secret" in ended.output) == (2, True, False)


# --- audit verify -------------------------------------------------------------------------------------


def test_verify_of_an_intact_record(cli: Cli) -> None:
    """The number of events and the head are printed, the head from Slack matches, and what is not proved is said."""
    ended = cli("audit", "verify", "--head", head(cli.database))
    intact, unsealed = ended.stdout.splitlines()
    assert (ended.exit_code, intact) == (0, f"The record is intact: 7 events, head {head(cli.database)}.")
    assert unsealed.startswith("It has no seal, so it does not prove who wrote it")


@pytest.fixture
async def keys(cli: Cli) -> dict[str, str]:
    """Return a new pair of keys; a bot has started with it once, and sealed the record."""
    printed = cli("record", "new-key")
    found = dict(line.split("=", 1) for line in printed.stdout.splitlines())
    assert list(found) == ["RECORD_KEY", "RECORD_PUBLIC_KEY"]
    store = Store(cli.database, key=private_key(found["RECORD_KEY"]))
    await store.open()
    started = Started("1", record_key=found["RECORD_PUBLIC_KEY"])
    await store.transaction("start", lambda tx: tx.record.append(started, "bot", datetime.now(UTC)))
    await store.close()
    return found


def test_a_sealed_record_is_verified_with_the_public_key(cli: Cli, keys: dict[str, str]) -> None:
    """It needs no secret; without the key the command says where the key comes from that it believed."""
    for ended in (
        cli("audit", "verify", "--key", keys["RECORD_PUBLIC_KEY"]),
        cli("audit", "verify", RECORD_PUBLIC_KEY=keys["RECORD_PUBLIC_KEY"]),
    ):
        assert (ended.exit_code, "Sealed up to its end with the key cancel-desk+" in ended.stdout) == (0, True)
        assert "The record itself names that key" not in ended.stdout
    assert "The record itself names that key: give the one that you know with --key." in cli("audit", "verify").stdout
    other = cli("record", "new-key").stdout.splitlines()[1].partition("=")[2]
    ended = cli("audit", "verify", "--key", other)
    assert (ended.exit_code, "No key that you gave has sealed anything here" in ended.stderr) == (1, True)


async def test_a_rotated_key_is_given_beside_the_new_one(cli: Cli, keys: dict[str, str]) -> None:
    """The command says which key sealed which events; a key that is wrong, foreign or missing is one line."""
    new = new_key()
    store = Store(cli.database, key=new)
    await store.open()
    started = Started("1", record_key=new.public.text)
    await store.transaction("start", lambda tx: tx.record.append(started, "bot", datetime.now(UTC)))
    await store.close()
    old, latest = keys["RECORD_PUBLIC_KEY"], new.public.text
    said = [
        f"Sealed up to its end with the key {new.public.short}.",
        f"Events 1 to 8: the key {public_key(old).short}.",
        f"Event 9: the key {new.public.short}.",
    ]
    for ended in (
        cli("audit", "verify", "--key", old, "--key", latest),
        cli("audit", "verify", RECORD_PUBLIC_KEY=f"{latest} {old}"),
    ):
        assert (ended.exit_code, ended.stdout.splitlines()[1:4]) == (0, said)
        assert "You did not give" not in ended.stdout
    ended = cli("audit", "verify", "--key", latest)
    assert (ended.exit_code, f"You did not give {public_key(old).short}" in ended.stdout) == (0, True)
    for given, words in (
        ([old], "What you gave has sealed the events up to 8."),
        ([latest, new_key().public.text], "has sealed nothing here, and others that you gave have."),
    ):
        ended = cli("audit", "verify", *(word for each in given for word in ("--key", each)))
        assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
        assert words in ended.stderr
    ended = cli("audit", "verify", "--key", latest, "--key", old[:-3])
    assert (ended.exit_code, "The key in --key is torn" in ended.stderr) == (2, True)


def test_what_is_no_public_key_is_a_mistake_that_shows_no_secret(cli: Cli, keys: dict[str, str]) -> None:
    """Also where the secret half was given by mistake."""
    for given in (keys["RECORD_KEY"], "abc", keys["RECORD_PUBLIC_KEY"][:-3]):
        ended = cli("audit", "verify", "--key", given)
        assert (ended.exit_code, "The key in --key is" in ended.stderr) == (2, True)
        # The last part of a key is base64 and may hold a "+" of its own.
        assert keys["RECORD_KEY"].split("+", 4)[4] not in ended.stderr


def test_a_command_that_writes_to_a_sealed_record_needs_its_key(cli: Cli, keys: dict[str, str], tmp_path: Path) -> None:
    """Without it nothing changes and nothing is handed out; with it what the command adds is sealed too."""
    for words in (["freeze", "--why", "wrong prices"], ["audit", "find"], ["report"]):
        ended = cli(*words)
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "RECORD_KEY is not set here" in ended.stderr
    file = tmp_path / "secret"
    file.write_text(keys["RECORD_KEY"] + "\n")
    for number, words in enumerate((["freeze", "--why", "wrong prices"], ["unfreeze"], ["audit", "find"], ["report"])):
        named = {"RECORD_KEY_FILE": str(file)} if number % 2 else {"RECORD_KEY": keys["RECORD_KEY"]}
        assert cli(*words, **named).exit_code == 0
    ended = cli("audit", "verify", "--key", keys["RECORD_PUBLIC_KEY"])
    assert (ended.exit_code, "12 events" in ended.stdout) == (0, True)


def test_a_restored_backup_is_sealed_on(cli: Cli, keys: dict[str, str], tmp_path: Path) -> None:
    """The copy has the seals, and its restoration is sealed as well."""
    copy = tmp_path / "copy.db"
    assert cli("backup", str(copy), RECORD_KEY=keys["RECORD_KEY"]).exit_code == 0
    ended = cli("restore", str(copy))
    assert (ended.exit_code, "RECORD_KEY is not set here" in ended.stderr) == (1, True)
    assert cli("restore", str(copy), RECORD_KEY=keys["RECORD_KEY"]).exit_code == 0
    assert cli("audit", "verify", "--key", keys["RECORD_PUBLIC_KEY"]).exit_code == 0


def test_a_backup_from_before_a_change_of_the_key_is_restored_with_the_key_of_its_time(
    cli: Cli, keys: dict[str, str], tmp_path: Path
) -> None:
    """The refusal says so, and the bot then goes on with the new key."""
    copy, new = tmp_path / "copy.db", new_key()
    assert cli("backup", str(copy), RECORD_KEY=keys["RECORD_KEY"]).exit_code == 0
    ended = cli("restore", str(copy), RECORD_KEY=new.text)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert str(copy) in ended.stderr
    assert "Run restore with that key in RECORD_KEY. Then start the bot with the new key." in ended.stderr
    assert cli("restore", str(copy), RECORD_KEY=keys["RECORD_KEY"]).exit_code == 0
    with open_beside(cli.database, new) as tables:
        tables.record.append(Started("1", record_key=new.public.text), "bot", datetime.now(UTC))
    assert cli("audit", "verify", "--key", keys["RECORD_PUBLIC_KEY"], "--key", new.public.text).exit_code == 0


def test_a_folder_is_no_copy(cli: Cli, tmp_path: Path) -> None:
    """What is wrong is the name, and not the disk."""
    ended = cli("restore", str(tmp_path))
    assert ended.exit_code == 1
    assert "Name a copy that `backup` made." in ended.stderr
    assert "disk" not in ended.stderr


def test_times_that_run_backwards_are_told(cli: Cli, keys: dict[str, str]) -> None:
    """They are no damage, as a clock may be set, and they are not hidden either."""
    with open_reader(cli.database) as tables:
        (last,) = tables.record.after(7, 1)
    with open_beside(cli.database, private_key(keys["RECORD_KEY"])) as tables:
        tables.record.append(Stopped(), "bot", datetime.fromisoformat(last.at) - timedelta(hours=1))
    ended = cli("audit", "verify")
    assert (ended.exit_code, "Event 9 has an earlier time than the event before it" in ended.stdout) == (0, True)


@pytest.mark.parametrize(
    "statement, words",
    [
        ("UPDATE audit_events SET actor = 'U9' WHERE seq = 2", "Event 2 does not have the content"),
        ("DELETE FROM audit_events WHERE seq = 3", "Event 3 is missing."),
        ("DELETE FROM audit_events WHERE seq = 7", "The record ends with event 6, but this head is from event 7."),
    ],
)
def test_verify_of_a_damaged_record(cli: Cli, statement: str, words: str) -> None:
    """Damage is named with the event where it begins, and the exit code is 1."""
    witness = head(cli.database)
    forge(cli.database, statement)
    ended = cli("audit", "verify", "--head", witness)
    assert (ended.exit_code, words in ended.stderr) == (1, True)


def test_verify_of_an_inserted_event(cli: Cli) -> None:
    """An event that was put in between, with the later ones moved up, is called inserted."""
    forge(
        cli.database,
        "UPDATE audit_events SET seq = seq + 100 WHERE seq > 2",
        "UPDATE audit_events SET seq = seq - 99 WHERE seq > 100",
        "INSERT INTO audit_events SELECT 3, at, kind, request, order_id, 'U9', data, prev_hash, hash"
        " FROM audit_events WHERE seq = 2",
    )
    ended = cli("audit", "verify")
    assert (ended.exit_code, "vent 3 was inserted" in ended.stderr) == (1, True)


def test_verify_with_a_mistyped_head(cli: Cli) -> None:
    """A head that does not match is not proof of damage, so the operator is asked to check it first."""
    witness = head(cli.database)
    mistyped = witness[:-1] + ("A" if witness[-1] != "A" else "B")
    for typed, says in (
        (mistyped, "This head is mistyped: it differs from that of event 7 in 1 place."),
        (witness.replace("#7", "#5"), "This head is mistyped: its digits belong to event 7, not to event 5."),
        (f"#7·{'A' * 26}", "Event 7 does not match this head. Check the head for typing errors"),
    ):
        ended = cli("audit", "verify", "--head", typed)
        assert (ended.exit_code, ended.stderr.startswith(says)) == (1, True)


def test_verify_with_something_that_is_no_head(cli: Cli) -> None:
    """The message shows an example of a head."""
    ended = cli("audit", "verify", "--head", "abc")
    assert (ended.exit_code, EXAMPLE_HEAD in ended.stderr) == (2, True)


# --- backup -------------------------------------------------------------------------------------------


def names_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


async def test_backup_while_the_bot_runs(store: Store, database: Path, tmp_path: Path) -> None:
    """The copy is checked, private, opens without other files, and is never written over."""
    await store.probe()
    copy = tmp_path / "copy.db"
    ended = await asyncio.to_thread(Cli(database), "backup", str(copy))
    assert (ended.exit_code, ended.stdout) == (0, f"{copy}: 0 events, head (empty).\n")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert names_in(tmp_path) == {"copy.db", "data"}
    again = await asyncio.to_thread(Cli(database), "backup", str(copy))
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)


def test_backup_of_a_damaged_record_is_refused(cli: Cli, tmp_path: Path) -> None:
    """A copy of a damaged record does not become a backup."""
    forge(cli.database, "DELETE FROM audit_events WHERE seq = 3")
    ended = cli("backup", str(tmp_path / "copy.db"))
    assert (ended.exit_code, "not sound" in ended.stderr) == (1, True)
    assert "Event 3 is missing." in ended.stderr
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", ".lock"])
def test_backup_takes_no_name_of_the_databases_own_files(cli: Cli, ending: str) -> None:
    """SQLite would take the copy for its own log, and damage both."""
    target = cli.database.with_name(f"{cli.database.name}{ending}")
    before = target.exists()
    ended = cli("backup", str(target))
    assert (ended.exit_code, "Choose another name." in ended.stderr) == (1, True)
    assert target.exists() is before


def test_backup_into_a_folder_that_does_not_exist(cli: Cli) -> None:
    """The target is named with the words of the system."""
    ended = cli("backup", "/nowhere/copy.db")
    assert (ended.exit_code, "/nowhere/copy.db" in ended.stderr) == (1, True)


# --- on record ----------------------------------------------------------------------------------------


def last_event(database: Path) -> Event:
    """Return the last event, with its words."""
    with open_reader(database) as tables:
        return tables.record.event(tables.record.last().seq)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_an_export_is_on_record(cli: Cli, form: list[str]) -> None:
    """The record keeps who printed what, with the number of rows and the hash of exactly what was printed."""
    ended = cli("audit", "find", "7d", *form)
    event = last_event(cli.database)
    assert event.actor == f"terminal:{pwd.getpwuid(os.getuid()).pw_name}"
    assert event.content == Exported("audit find", "7d", 2, sha256(ended.stdout.encode()).hexdigest())
    assert verify_all(cli.database).damage is None


@pytest.mark.parametrize("words", [["audit", "find"], ["erase", "--order", "ord_1", "--why", "ticket 7", "--yes"]])
def test_nobody_acts_under_another_name_by_a_variable(cli: Cli, words: list[str]) -> None:
    """The record names the user that the system knows, not what LOGNAME or USER says."""
    assert cli(*words, LOGNAME="mallory", USER="mallory").exit_code == 0
    assert last_event(cli.database).actor == f"terminal:{pwd.getpwuid(os.getuid()).pw_name}"


def test_a_user_without_a_name_is_on_record_by_number(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under a number that has no name."""
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_000)
    assert cli("audit", "find").exit_code == 0
    assert last_event(cli.database).actor == "terminal:2000000000"


def test_an_export_without_rows_is_on_record(cli: Cli) -> None:
    """That nothing matches is an answer as well."""
    cli("audit", "find", "ord_none")
    assert last_event(cli.database).content == Exported(
        "audit find", "ord_none", 0, sha256(b"Nothing matches.\n").hexdigest()
    )


def test_a_backup_is_on_record_with_its_hash(cli: Cli, tmp_path: Path) -> None:
    """An auditor can tell later whether a copy is the one that was made."""
    copy = tmp_path / "copy.db"
    cli("backup", str(copy))
    assert last_event(cli.database).content == BackedUp(7, sha256(copy.read_bytes()).hexdigest())


def test_a_copy_that_somebody_looks_into_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    """A file named by ``--database`` is read and not written to."""
    copy = tmp_path / "copy.db"
    cli("backup", str(copy))
    before = copy.read_bytes()
    assert cli("audit", "find", "--database", str(copy)).exit_code == 0
    assert cli("backup", str(tmp_path / "again.db"), "--database", str(copy)).exit_code == 0
    assert copy.read_bytes() == before


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_nothing_is_printed_that_cannot_be_put_on_record(cli: Cli, form: list[str], tmp_path: Path) -> None:
    """Nobody reads it, a script sees that by the exit code, and the way out works."""
    forge(cli.database)
    ended = cli("audit", "find", *form)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Nothing is handed out, because it could not be put on record. ")
    shutil.copy(cli.database, tmp_path / "copy.db")
    assert "ord_1" in cli("audit", "find", *form, "--database", str(tmp_path / "copy.db")).stdout


def test_an_export_that_fails_to_get_on_record_afterwards_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk gets full while it is printed: nothing brings the output back, but nobody takes it for recorded."""

    def full(*_: object) -> None:
        raise StoreError(StoreProblem.DISK_FULL, cli.database, "database or disk is full")

    monkeypatch.setattr("bot.store.record.Record.append", full)
    ended = cli("audit", "find", "--csv")
    assert (ended.exit_code, "ord_1" in ended.stdout) == (1, True)
    assert ended.stderr.startswith("Something was printed, but this could not be put on record. ")


def test_a_backup_that_cannot_be_put_on_record_is_kept_and_fails(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot whose disk is full needs its backup most."""

    def full(*_: object) -> None:
        raise StoreError(StoreProblem.DISK_FULL, cli.database, "database or disk is full")

    monkeypatch.setattr("bot.store.record.Record.append", full)
    copy = tmp_path / "copy.db"
    ended = cli("backup", str(copy))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"{copy} is written, but this could not be put on record. ")
    assert verify_all(copy).damage is None


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_an_export_shows_what_the_record_says(cli: Cli, form: list[str]) -> None:
    """A field that somebody changed in the file is shown as the events say it, with a mark in a column of its own."""
    assert "contradicts" not in cli("audit", "find").stdout
    with closing(sqlite3.connect(cli.database)) as connection, connection:
        connection.execute("UPDATE requests SET requester = 'UEVIL' WHERE number = 1")
    ended = cli("audit", "find", *form)
    assert "UEVIL" not in ended.stdout
    assert "contradicts_the_record_in" in ended.stdout
    assert "its requester" in ended.stdout


def test_an_order_is_printed_with_the_words_of_its_events(cli: Cli) -> None:
    """The data of an event has the text that people typed, not the commitment to it."""
    assert '"reason":"typed twice"' in cli("audit", "find", "ord_1", "--csv").stdout.replace('""', '"')


# --- erase --------------------------------------------------------------------------------------------


def test_erase_says_that_its_reason_stays() -> None:
    """Whoever types it must know that no personal data belongs there."""
    said = " ".join(CliRunner().invoke(main, ["erase", "--help"]).stdout.split())
    assert "This text itself can never be erased: no personal data here." in said


def test_erase_asks_first(cli: Cli) -> None:
    """Nothing happens without a yes, as nobody can bring the words back."""
    ended = cli("erase", "--order", "ord_1", "--why", "ticket 7")
    assert (ended.exit_code, "Nobody can bring these words back" in ended.output) == (1, True)
    assert '"reason":"typed twice"' in cli("audit", "find", "ord_1", "--csv").stdout.replace('""', '"')


def test_an_erasure_that_a_reader_hinders_is_not_done(cli: Cli) -> None:
    """A script that erases must not take the words for gone while they are still in the files; once more, they are."""
    cli("audit", "find")
    with closing(sqlite3.connect(cli.database)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM words").fetchall()
        ended = cli("erase", "--order", "ord_1", "--why", "ticket 7", "--yes")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "Erase again" in ended.stderr
    assert cli("erase", "--order", "ord_1", "--why", "ticket 7", "--yes").exit_code == 0
    assert b"typed twice" not in cli.database.read_bytes()


def test_erase_leaves_a_record_that_verifies(cli: Cli) -> None:
    """The command says how many texts are gone, and what stays because its request is open."""
    ended = cli("erase", "--order", "ord_1", "--why", "ticket 7", "--yes")
    assert (ended.exit_code, ended.stdout) == (0, "1 text is erased.\n")
    assert "typed twice" not in cli("audit", "find", "ord_1").stdout
    ended = cli("erase", "--order", "ord_2", "--why", "ticket 7", "--yes")
    assert ended.stdout == (
        "No texts are erased. 1 request is still open, so their words stay. Erase again when they have ended.\n"
    )
    ended = cli("erase", "--order", "ORD_1", "--why", "ticket 7", "--yes")
    assert (
        ended.stdout == "No texts are erased. No order is on record as you typed it. In other capital letters: ord_1.\n"
    )
    assert cli("audit", "verify").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--why", "x"],
        ["--order", "ord_1", "--person", "U1", "--why", "x"],
        ["--order", "ord_1"],
        ["--older-than", "soon", "--why", "x"],
        ["--older-than", "0d", "--why", "x"],
        ["--person", "ann", "--why", "x"],
        ["--person", "@U012AB3CD", "--why", "x"],
    ],
)
def test_erase_refuses_what_is_not_clear(cli: Cli, words: list[str]) -> None:
    """One kind of words at a time, a number of days, and always a reason."""
    before = head(cli.database)
    assert cli("erase", *words, "--yes").exit_code == 2
    assert head(cli.database) == before
