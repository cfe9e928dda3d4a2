"""The hash chain, and the codes for damage to it."""

import re
from base64 import b32encode

import pytest
from hypothesis import given, strategies as st

from bot.domain.audit import GENESIS, Event, Head, NotAHead, parse_head
from bot.domain.verification import Damage, Verification, walk


def chain(length: int) -> list[Event]:
    """Return a sound record of so many events."""
    events: list[Event] = []
    for seq in range(1, length + 1):
        previous = events[-1].hash if events else GENESIS
        events.append(
            Event(seq, f"2026-11-23T09:00:{seq:02}.000Z", "voted", "c1", "ord_1", "U1", "{}", previous).sealed()
        )
    return events


def rehashed(events: list[Event]) -> list[Event]:
    """Return the record with every number and hash computed again."""
    done: list[Event] = []
    for seq, event in enumerate(events, 1):
        previous = done[-1].hash if done else GENESIS
        done.append(event._replace(seq=seq, prev_hash=previous).sealed())
    return done


def found(verification: Verification) -> tuple[Damage | None, int, int]:
    """Return the code of the damage with its two numbers."""
    return verification.damage, verification.seq, verification.other


def test_intact_record_verifies_with_its_head() -> None:
    """An untouched record has no damage, and its head is that of the last event."""
    events = chain(5)
    verification = walk(events, Head(3, events[2].hash))
    assert (verification.damage, verification.events, verification.head) == (None, 5, events[-1].head)


def test_empty_record_is_intact() -> None:
    """An empty record is not damaged."""
    assert walk([]) == Verification(0, "")


@pytest.mark.parametrize("field", ["at", "kind", "request", "order_id", "actor", "data"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_edited_event_is_found(field: str, place: int) -> None:
    """A changed field is found at its event, at the beginning, in the middle and at the end."""
    events = chain(5)
    events[place] = events[place]._replace(**{field: "else"})  # type: ignore[arg-type]  # all but seq are text
    assert found(walk(events)) == (Damage.EDITED, place + 1, 0)


@pytest.mark.parametrize("place", [0, 2, 3])
def test_edited_event_with_a_new_hash_is_found(place: int) -> None:
    """A changed event with a hash of its own is found by the next one, which follows from the old hash."""
    events = chain(5)
    events[place] = events[place]._replace(actor="U9").sealed()
    assert found(walk(events)) == (Damage.EDITED_AND_REHASHED, place + 1, place + 2)


@pytest.mark.parametrize("place", [0, 2, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_removed_events_are_found(place: int, count: int) -> None:
    """A gap counts as a removal, from the first missing number to the last."""
    events = chain(6)
    del events[place : place + count]
    assert found(walk(events)) == (Damage.REMOVED, place + 1, place + count)


@pytest.mark.parametrize("place", [0, 2, 3])
def test_removed_event_with_the_rest_renumbered_is_found(place: int) -> None:
    """Closing the gap does not hide a removal."""
    events = chain(5)
    del events[place]
    renumbered = [event._replace(seq=seq) for seq, event in enumerate(events, 1)]
    assert found(walk(renumbered)) == (Damage.REMOVED_AND_RENUMBERED, place + 1, 0)


def test_removed_beginning_with_a_new_first_event_is_found() -> None:
    """A first event that follows from another one shows that something was before it."""
    first = chain(2)[1]._replace(seq=1).sealed()
    assert found(walk([first])) == (Damage.BEGINNING_REMOVED, 1, 0)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("renumbered", [True, False])
def test_inserted_event_is_found(place: int, renumbered: bool) -> None:
    """An event between two that follow from each other counts as inserted, with the rest renumbered or not."""
    events = chain(5)
    forged = events[place]._replace(actor="U9", hash="f" * 64)
    events.insert(place, forged)
    if renumbered:
        events = [event._replace(seq=seq) for seq, event in enumerate(events, 1)]
    assert found(walk(events)) == (Damage.INSERTED, place + 1, place)


@pytest.mark.parametrize("place", [0, 2])
def test_inserted_event_that_follows_from_the_one_before_is_found(place: int) -> None:
    """A forged event that fits behind the one before it is found at the next one, which was renumbered."""
    events = chain(5)
    events.insert(place, events[place]._replace(actor="U9").sealed())
    renumbered = [event._replace(seq=seq) for seq, event in enumerate(events, 1)]
    assert found(walk(renumbered)) == (Damage.INSERTED_AND_RENUMBERED, place + 2, 0)


def test_forged_event_at_the_end_is_found() -> None:
    """An event that was appended without following from the last one is found."""
    events = chain(3)
    events.append(Event(4, "", "voted", "", "", "", "{}", "0" * 64).sealed())
    assert walk(events).damage is not None


def test_cut_end_is_found_by_a_head_from_slack() -> None:
    """Without a witness a shorter record is intact; with a later head it is cut."""
    events = chain(5)
    witness = Head(5, events[4].hash)
    assert walk(events[:3]).damage is None
    assert found(walk(events[:3], witness)) == (Damage.CUT, 4, 5)
    assert found(walk([], witness)) == (Damage.CUT, 1, 5)


def test_record_with_all_hashes_computed_again_is_found_by_a_head_from_slack() -> None:
    """Somebody who computes all hashes again cannot meet the head that Slack shows."""
    events = chain(5)
    forged = rehashed([events[0], events[1]._replace(actor="U9"), *events[2:]])
    assert walk(forged).damage is None
    assert found(walk(forged, Head(5, events[4].hash))) == (Damage.ANOTHER_HEAD, 5, 0)


def test_events_before_the_damage_are_counted_with_their_head() -> None:
    """The result says up to which event and head the record is sound."""
    events = chain(5)
    events[3] = events[3]._replace(actor="U9")
    verification = walk(events)
    assert (verification.events, verification.head) == (3, events[2].head)


@given(st.integers(0, 5), st.integers(0, 7), st.text(max_size=5))
def test_any_changed_field_breaks_the_chain(place: int, field: int, text: str) -> None:
    """A record with a known head fails verification after any change of any field."""
    events = chain(6)
    name = ("at", "kind", "request", "order_id", "actor", "data", "prev_hash", "hash")[field]
    if getattr(events[place], name) == text:
        return
    forged = [*events]
    forged[place] = forged[place]._replace(**{name: text})  # type: ignore[arg-type]  # all but seq are text
    assert walk(forged, Head(6, events[5].hash)).damage is not None


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_text_cannot_move_between_fields(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two events that differ in where one field ends have different hashes."""
    first = Event(1, *one, "", "", "", "{}", GENESIS)
    second = Event(1, *other, "", "", "", "{}", GENESIS)
    assert (first.computed_hash() == second.computed_hash()) is (one == other)


@pytest.mark.parametrize("length", [26, 27, 40, 52])
@pytest.mark.parametrize("sign", ["#{}·{}", " {}:{} ", "#{} {}", "#{}.{}"])
def test_a_head_is_read_as_people_copy_it(length: int, sign: str) -> None:
    """A head is read as it is shown, with more letters than that, in any case, and with other signs."""
    event = chain(3)[2]
    letters = b32encode(bytes.fromhex(event.hash)).decode()[:length]
    for typed in (letters, letters.lower()):
        assert parse_head(sign.format(3, typed)).fits(event.hash)
    assert event.head == f"#3·{letters[:26]}"


@pytest.mark.parametrize("typed", ["{}", "{:.32}", "{:.47}"])
def test_a_head_is_read_as_hexadecimal_digits(typed: str) -> None:
    """Hexadecimal digits count from 128 bits on, also in groups."""
    event = chain(1)[0]
    digits = typed.format(event.hash)
    assert parse_head(f"#1·{digits}").fits(event.hash)
    assert parse_head("#1·" + " ".join(re.findall(".{1,4}", digits))).fits(event.hash)
    assert not parse_head(f"#1·{digits}").fits(chain(2)[1].hash)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "#12·0a1b2c3d",
        f"#12·{'A' * 25}",
        f"#12·{'a' * 15}1{'a' * 15}",
        f"#12·{'0' * 65}",
        f"#12·{'1' * 26}",
        f"#·{'A' * 26}",
        f"#{'9' * 30}·{'A' * 26}",
    ],
)
def test_a_text_that_is_no_head_is_refused(text: str) -> None:
    """A head of less than 128 bits proves too little, and anything else is no head."""
    with pytest.raises(NotAHead):
        parse_head(text)


@pytest.mark.parametrize("places", [1, 2, 3])
def test_a_mistyped_head_is_no_forgery(places: int) -> None:
    """A head that differs in a few digits was mistyped, and the answer says so."""
    events = chain(5)
    number, letters = events[3].head.split("·")
    for place in range(places):
        letters = letters[:place] + ("A" if letters[place] != "A" else "B") + letters[place + 1 :]
    assert found(walk(events, parse_head(f"{number}·{letters}"))) == (Damage.MISTYPED_HEAD, 4, places)


@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_head_under_another_number_is_no_forgery(number: int) -> None:
    """The digits of one event under the number of another one were mistyped as well."""
    events = chain(5)
    head = parse_head(f"#{number}·{events[2].head.split('·')[1]}")
    assert found(walk(events, head)) == (Damage.MISNUMBERED_HEAD, number, 3)
