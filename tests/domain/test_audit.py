"""The hash chain, and how damage to it is told."""

import pytest
from hypothesis import given, strategies as st

from bot.domain.audit import GENESIS, Damage, Event, parse_head, verify


def chain(length: int) -> list[Event]:
    """A sound record of so many events."""
    events: list[Event] = []
    for seq in range(1, length + 1):
        previous = events[-1].hash if events else GENESIS
        events.append(
            Event(seq, f"2026-11-23T09:00:{seq:02}.000Z", "vote", "c1", "ord_1", "U1", "{}", previous).sealed()
        )
    return events


def rehashed(events: list[Event]) -> list[Event]:
    """What somebody makes who computes every hash anew."""
    done: list[Event] = []
    for seq, event in enumerate(events, 1):
        previous = done[-1].hash if done else GENESIS
        done.append(event._replace(seq=seq, prev_hash=previous).sealed())
    return done


def test_whole_record_verifies_with_its_head() -> None:
    """An untouched record has no damage, and its head is that of the last event."""
    events = chain(5)
    found = verify(events, (3, events[2].hash[:8]))
    assert (found.damage, found.events, found.head) == (None, 5, events[-1].head)


def test_empty_record_is_whole() -> None:
    """Nothing on record is not damage."""
    assert verify([]).damage is None


@pytest.mark.parametrize("field", ["at", "kind", "cancellation", "order_id", "actor", "data"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_edited_event_is_found(field: str, place: int) -> None:
    """A changed field is found at its event, wherever it stands."""
    events = chain(5)
    events[place] = events[place]._replace(**{field: "else"})  # type: ignore[arg-type]  # all but seq are text
    found = verify(events)
    assert (found.damage, found.seq) == (Damage.EDITED, place + 1)


@pytest.mark.parametrize("place", [0, 2, 3])
def test_edited_event_with_a_new_hash_is_found(place: int) -> None:
    """A changed event that got a hash of its own is found by the one that follows from the old hash."""
    events = chain(5)
    events[place] = events[place]._replace(actor="U9").sealed()
    found = verify(events)
    assert (found.damage, found.seq) == (Damage.EDITED, place + 1)


@pytest.mark.parametrize("place", [0, 2, 3])
def test_removed_event_is_found(place: int) -> None:
    """A gap is told as removed, at the number that is missing."""
    events = chain(5)
    del events[place]
    found = verify(events)
    assert (found.damage, found.seq) == (Damage.REMOVED, place + 1)


def test_removed_event_with_the_rest_numbered_anew_is_found() -> None:
    """Closing the gap does not hide a removal."""
    events = chain(5)
    del events[2]
    found = verify([event._replace(seq=seq) for seq, event in enumerate(events, 1)])
    assert (found.damage, found.seq) == (Damage.REMOVED, 3)


@pytest.mark.parametrize("place", [0, 2])
def test_inserted_event_is_found(place: int) -> None:
    """An event put in between is told as inserted, with the rest numbered anew or not."""
    events = chain(5)
    forged = events[place]._replace(actor="U9", hash="f" * 64)
    events.insert(place, forged)
    found = verify([event._replace(seq=seq) for seq, event in enumerate(events, 1)])
    assert (found.damage, found.seq) == (Damage.INSERTED, place + 1)


def test_forged_event_at_the_end_is_found() -> None:
    """An event that was appended without following from the last one is found."""
    events = chain(3)
    events.append(Event(4, "", "vote", "", "", "", "{}", "0" * 64).sealed())
    assert verify(events).damage is not None


def test_cut_tail_is_found_by_a_head_from_slack() -> None:
    """Without a witness a shorter record is whole; with a later head it is cut."""
    events = chain(5)
    witness = (5, events[4].hash[:8])
    assert verify(events[:3]).damage is None
    found = verify(events[:3], witness)
    assert (found.damage, found.seq) == (Damage.CUT, 4)


def test_record_computed_anew_is_found_by_a_head_from_slack() -> None:
    """Somebody who computes every hash anew cannot meet the head that was shown."""
    events = chain(5)
    forged = rehashed([events[0], events[1]._replace(actor="U9"), *events[2:]])
    assert verify(forged).damage is None
    assert verify(forged, (5, events[4].hash[:8])).damage is Damage.EDITED


@given(st.integers(0, 5), st.integers(0, 7), st.text(max_size=5))
def test_any_changed_field_breaks_the_chain(place: int, field: int, text: str) -> None:
    """Whatever text is put into whatever field of a record with a known head, verification fails."""
    events = chain(6)
    name = ("at", "kind", "cancellation", "order_id", "actor", "data", "prev_hash", "hash")[field]
    if getattr(events[place], name) == text:
        return
    forged = [*events]
    forged[place] = forged[place]._replace(**{name: text})  # type: ignore[arg-type]  # all but seq are text
    assert verify(forged, (6, events[5].hash[:8])).damage is not None


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_text_cannot_move_between_fields(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two events that differ in where one field ends have different hashes."""
    first = Event(1, *one, "", "", "", "{}", GENESIS)
    second = Event(1, *other, "", "", "", "{}", GENESIS)
    assert (first.computed_hash() == second.computed_hash()) is (one == other)


@pytest.mark.parametrize("text", ["#12·0a1b2c3d", "12·0A1B2C3D", " #12:0a1b2c3d ", "#12 0a1b2c3d"])
def test_head_is_read_as_people_copy_it(text: str) -> None:
    """A head is taken with or without its signs."""
    assert parse_head(text) == (12, "0a1b2c3d")


@pytest.mark.parametrize("text", ["", "12", "#·0a1b2c3d", "#12·0a1b2c3", "#12·xyzxyzxy", "#" + "9" * 30 + "·0a1b2c3d"])
def test_what_is_no_head_is_refused_with_an_example(text: str) -> None:
    """Anything else is refused with a sentence that shows what a head looks like."""
    with pytest.raises(ValueError, match="looks like #123·0a1b2c3d"):
        parse_head(text)
