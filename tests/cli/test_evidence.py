"""Evidence for one order, as somebody checks it who has the file and the public key alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.domain.events import Exported, Started
from bot.domain.seal import PrivateKey, new_key
from bot.store import Store, open_reader
from bot.workflow import Rules
from tests.cli.test_record import write
from tests.clock import Clock
from tests.workflow.steps import CANCELLED

KEY = new_key()


@pytest.fixture(params=[KEY, None], ids=["sealed", "unsealed"])
def key(request: pytest.FixtureRequest) -> PrivateKey | None:
    """Return the key of the bot, or None."""
    found: PrivateKey | None = request.param
    return found


@pytest.fixture
async def database_of(database: Path, rules: Rules, clock: Clock, key: PrivateKey | None) -> Path:
    """Return a database with three orders, of which the gateway cancelled two."""
    store = Store(database, key=key)
    await store.open()
    started = Started("1", record_key=key.public.text if key else "")
    await store.transaction("start", lambda tx: tx.record.append(started, "bot", clock()))
    await write(store, rules, clock, "ord_1", "typed <b>twice</b>", CANCELLED)
    await write(store, rules, clock, "ord_2", "fraud", CANCELLED)
    await write(store, rules, clock, "ord_3", "why", None)
    await store.close()
    return database


def evidence(database: Path, order: str, into: Path, key: PrivateKey | None) -> Result:
    """Run the command."""
    variables = {"DATABASE_URL": f"sqlite:///{database}"} | ({"RECORD_KEY": key.text} if key else {})
    return CliRunner().invoke(main, ["audit", "evidence", order, "-o", str(into)], env=variables)


@pytest.fixture
def unpacked(database_of: Path, key: PrivateKey | None, tmp_path: Path) -> Path:
    """Return the folder of the unpacked evidence for ord_1."""
    ended = evidence(database_of, "ord_1", tmp_path / "ord_1.zip", key)
    assert (ended.exit_code, "4 events" in ended.output) == (0, True), ended.output
    with ZipFile(tmp_path / "ord_1.zip") as bundle:
        bundle.extractall(tmp_path / "ord_1")
    return tmp_path / "ord_1"


def verified(folder: Path, *words: str, isolated: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the verifier of the evidence, without the packages of this project where it is ``isolated``."""
    command = [sys.executable, *(["-S"] if isolated else []), "-I", str(folder / "verify.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the events of the evidence."""
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def test_the_verifier_is_short_enough_to_be_read() -> None:
    """An auditor reads it before running it."""
    assert len(Path("bot/evidence/verify.py").read_text("utf-8").splitlines()) < 100


def test_evidence_is_about_one_order_and_convinces_with_the_key_alone(unpacked: Path, key: PrivateKey | None) -> None:
    """Nothing of the other orders is in it, and the verifier needs nothing but itself."""
    assert {event["order_id"] for event in lines(unpacked)} == {"ord_1"}
    assert [event["kind"] for event in lines(unpacked)][::3] == ["requested", "cancelled"]
    ended = verified(unpacked, *(["--key", key.public.text] if key else []))
    assert ended.returncode == 0
    assert ended.stdout.startswith("Sound: 4 events and people's words fit their hashes")
    assert ("was not checked" in ended.stdout) is False
    assert ("has no seal" in ended.stdout) is (key is None)
    alone = verified(unpacked, *(["--key", KEY.public.text] if key else []), isolated=True)
    assert alone.returncode == 0
    assert ("install the package cryptography" in alone.stdout) is (key is not None)
    page = (unpacked / "index.html").read_text("utf-8")
    assert "typed &lt;b&gt;twice&lt;/b&gt;" in page
    assert all(each not in page for each in ("ord_2", "fraud", "<b>twice"))


def test_a_wrong_key_is_told(unpacked: Path, key: PrivateKey | None) -> None:
    """It has sealed nothing here, also where nothing is sealed at all."""
    ended = verified(unpacked, "--key", new_key().public.text)
    assert (ended.returncode, ended.stderr) == (1, "Not sound: no key that you gave has sealed this.\n")
    for torn in ("abc", KEY.public.text[:-3], KEY.public.text.replace("+", "-")):
        ended = verified(unpacked, "--key", torn)
        assert (ended.returncode, "a file or a key is torn" in ended.stderr) == (1, True)
        assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("key", [KEY], indirect=True, ids=["sealed"])
def test_one_of_several_known_keys_is_enough(unpacked: Path) -> None:
    """The bundle has the last seal, and an auditor of a bot that changed its key gives all that they know."""
    ended = verified(unpacked, "--key", new_key().public.text, "--key", KEY.public.text)
    assert (ended.returncode, "not checked" in ended.stdout) == (0, False)


def test_a_torn_bundle_is_one_clear_line(unpacked: Path, key: PrivateKey | None) -> None:
    """Wherever a file ends too early, and whatever stands in the place of an event."""
    for name in ("events.jsonl", "seal.txt"):
        file = unpacked / name
        whole = file.read_bytes()
        ends = {*range(0, len(whole), max(1, len(whole) // 12)), len(whole) - 1}
        for end in ends if whole else ():
            file.write_bytes(whole[:end])
            ended = verified(unpacked, *(["--key", key.public.text] if key else []))
            same = file.read_text("utf-8").rstrip("\n") == whole.decode().rstrip("\n")
            assert (ended.returncode == 0) is same, (name, end)
            assert len(ended.stderr.splitlines()) == (0 if same else 1), ended.stderr
        file.write_bytes(whole)
    for line in ("[]", "7", "null", '"ord_1"', "{}", '{"seq": "1", "data": 5}', "\ufffd"):
        (unpacked / "events.jsonl").write_text(f"{line}\n", "utf-8")
        ended = verified(unpacked)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), (line, ended.stderr)


def edited(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    """Return a change of the events of an unpacked evidence."""

    def edit(folder: Path) -> None:
        events = lines(folder)
        change(events)
        (folder / "events.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in events), "utf-8")

    return edit


@pytest.mark.parametrize(
    "change, words",
    [
        (edited(lambda events: events[0].update(actor="UEVIL")), "does not have the content"),
        (edited(lambda events: events[0].update(seq=7)), "does not have the content"),
        (edited(lambda events: events[0]["words"][0].update(text="other words")), "is not the one that the event"),
        (lambda folder: (folder / "events.jsonl").write_text("{", "utf-8"), "is torn"),
        (lambda folder: (folder / "seal.txt").unlink(), "is torn"),
    ],
)
def test_evidence_that_was_changed_is_not_sound(unpacked: Path, change: Callable[[Path], object], words: str) -> None:
    """The verifier names what does not fit, and ends with exit code 1."""
    change(unpacked)
    ended = verified(unpacked)
    assert (ended.returncode, words in ended.stderr) == (1, True)


@pytest.mark.parametrize("key", [KEY], indirect=True, ids=["sealed"])
def test_an_event_that_is_not_in_the_sealed_record_is_found(unpacked: Path) -> None:
    """Also one that fits its own hash."""

    def forged(events: list[dict[str, Any]]) -> None:
        event = events[-1]
        event["proof"] = [*event["proof"][:-1], "00" * 32]

    edited(forged)(unpacked)
    ended = verified(unpacked, "--key", KEY.public.text)
    assert (ended.returncode, "is not in the record that was sealed" in ended.stderr) == (1, True)


def test_evidence_that_was_handed_out_is_on_record(
    unpacked: Path, database_of: Path, key: PrivateKey | None, tmp_path: Path
) -> None:
    """With the order, and the SHA-256 of the file; a file that is there already is kept."""
    with open_reader(database_of) as tables:
        content = tables.record.event(tables.record.last().seq).content
    assert isinstance(content, Exported)
    assert (content.command, content.filters, content.rows) == ("audit evidence", "ord_1", 4)
    ended = evidence(database_of, "ord_1", tmp_path / "ord_1.zip", key)
    assert (ended.exit_code, "exists already" in ended.output) == (1, True)
    ended = evidence(database_of, "ord_9", tmp_path / "ord_9.zip", key)
    assert (ended.exit_code, "no event about order ord_9" in ended.output) == (1, True)
    assert not (tmp_path / "ord_9.zip").exists()
    assert unpacked.exists()
