"""The contents of events: each is read back as it was written, in a format that does not change unseen."""

from dataclasses import MISSING, fields
from hashlib import sha256
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from bot.domain import events
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import NEXT, State
from bot.domain.events import (
    KINDS,
    Answered,
    Approved,
    Cancelled,
    Content,
    Erased,
    QuorumChanged,
    RequestRefused,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    StoppedTrying,
    Voted,
    VotesVoided,
    Withdrawn,
    from_json,
    to_json,
)
from bot.domain.policy import Ground, Surface, Verdict
from bot.domain.projection import Ending, leads_to
from bot.domain.words import ERASED

# UTF-8, and so SQLite, has no lone surrogates; JSON has no infinities.
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"])))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def any_of(kind: type[Any]) -> st.SearchStrategy[Content]:
    """Return a strategy for events of this class, with any value in every field."""
    return st.builds(kind, **{each.name: st.from_type(each.type) for each in fields(kind)})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(kind: str, data: st.DataObject) -> None:
    """Each class survives its JSON with any content."""
    content = data.draw(any_of(KINDS[kind]))
    kept, words = to_json(content)
    again = from_json(kind, kept, {word.field: word.text for word in words})
    assert again == content
    assert type(again) is type(content)


def test_every_event_has_a_kind_of_its_own() -> None:
    """Two classes never share a kind, or one would be read as the other."""
    contents = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Content)]
    classes = [each for each in contents if "kind" in vars(each)]
    assert {each.kind: each for each in classes} == KINDS
    assert len(classes) == len(KINDS) == 44


def test_events_that_end_a_request_are_named_for_their_states() -> None:
    """The last step of a request and its event have one name, and every state that ends one has an event.

    Only a stop leads to a state that has another event as well.
    """
    # A confirmation that comes late follows an end as well.
    ends = {state for state, following in NEXT.items() if following <= {State.CANCELLED} or state.may_retry}
    assert {State(each.kind) for each in get_args(Ending) if each is not StoppedTrying} == ends
    assert leads_to(StoppedTrying()) is State.FAILED
    assert set(get_args(Ending)) <= set(KINDS.values())


def test_the_json_of_a_start() -> None:
    """The format of the record: an object without spaces, as readable text, without the fields that say nothing."""
    started = Started(
        "2.0",
        approvers=("U1", "S2"),
        approvals_required=2,
        approval_ttl_seconds=3600,
        order_id_pattern="ord_é",
        dvpay_base_url="https://dvpay.example",
    )
    assert to_json(started)[0] == (
        '{"version":"2.0","approvers":["U1","S2"],"approvals_required":2,"approval_ttl_seconds":3600,'
        '"order_id_pattern":"ord_é","dvpay_base_url":"https://dvpay.example"}'
    )


def test_the_json_of_a_cancelled_order() -> None:
    """Codes are kept as their values, and the gateway's answer with the fields that it has."""
    answer = Answer(
        Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED, http_status=409, message='"no"', request_id="req_1"
    )
    data, (message,) = to_json(Cancelled(2, answer, call=3, confirmed_by_repeat=True))
    assert data == (
        '{"attempt":2,"answer":{"outcome":"refused","reason":"already_cancelled","http_status":409,'
        f'"message":"{message.commitment}","request_id":"req_1"}},"call":3,"confirmed_by_repeat":true}}'
    )
    assert message.text == '"no"'


@pytest.mark.parametrize(
    "content, data",
    [
        (Withdrawn(), "{}"),
        (Withdrawn(Surface.RECEIPT), '{"surface":"receipt"}'),
        (Approved(approvals=1, of=1), '{"approvals":1,"of":1}'),
        (RequestRefused(Verdict.BAD_ORDER_ID), '{"why":"bad_order_id"}'),
        (VotesVoided(("U1", "U2")), '{"approvers":["U1","U2"]}'),
        (QuorumChanged(before=2, now=1), '{"before":2,"now":1}'),
        (Erased((3, 4), "asked for"), '{"events":[3,4],"why":"asked for"}'),
        (
            Voted(1, 2, Ground("S1", "2026"), Surface.CARD),
            '{"approvals":1,"of":2,"ground":{"group":"S1","read_at":"2026"},"surface":"card"}',
        ),
        (SettledNotCancelled(""), '{"how":""}'),
    ],
)
def test_the_json_of_small_events(content: Content, data: str) -> None:
    """A field without a default is always there."""
    assert to_json(content) == (data, [])


def test_words_are_kept_beside_the_json() -> None:
    """The JSON holds a commitment to each text that people typed: the SHA-256 of its salt of 32 bytes and itself."""
    data, (word,) = to_json(SettledCancelled("the console says só"))
    salted = bytes.fromhex(word.salt) + "the console says só".encode()
    assert data == f'{{"how":"{sha256(salted).hexdigest()}"}}'
    assert len(bytes.fromhex(word.salt)) == 32
    assert to_json(SettledCancelled("the console says só"))[1][0].salt != word.salt


def test_erased_words_are_read_as_erased() -> None:
    """An event whose words were erased is read with a text in place of them, and keeps everything else."""
    data, _ = to_json(RequestRefused(Verdict.ANOTHER_IS_OPEN, command="/cancel-order", reason="because"))
    assert from_json("request_refused", data, {}) == RequestRefused(
        Verdict.ANOTHER_IS_OPEN, command="/cancel-order", reason=ERASED
    )


def test_every_text_that_people_type_is_kept_beside_its_event() -> None:
    """A new field of text is words, or stands in this list of the texts that can never hold people's words."""
    codes = {
        "started": {
            "version",
            "approval_channel",
            "order_id_pattern",
            "dvpay_base_url",
            "dvpay_moved_from",
            "record_key",
        },
        "requested": {"channel", "expires_at", "category", "source"},
        "request_refused": {"command"},
        "looked_up": {"sha256"},
        "exported": {"command", "sha256"},
        "backed_up": {"sha256"},
        "restored": {"sha256"},
        "expiry_moved": {"expires_at"},
        "card_posted": {"channel", "ts", "link"},
        "card_blocked": {"channel", "problem"},
        "delivery_abandoned": {"problem"},
        "digest": {"channel", "since", "until", "zone"},
        "digest_moved": {"channel"},
        "evidence_asked": {"order"},
        "erased": {"why"},  # the operator's own, about the erasure
    }
    for kind, content in KINDS.items():
        texts = {each.name for each in fields(content) if each.type is str}  # type: ignore[arg-type]
        assert texts == {path for path in content.words if "." not in path} | codes.get(kind, set()), kind
    texts = {f"answer.{each.name}" for each in fields(Answer) if each.type is str}
    assert texts - set(Answered.words) == {"answer.trouble_about", "answer.request_id", "answer.cancelled_at"}


def test_an_answer_is_kept_whole() -> None:
    """Every field of an answer is read back from its event."""
    answer = Answer(
        Outcome.UNKNOWN,
        repeat=True,
        retry_after=7.5,
        reason=Reason.NO_SUCH_ORDER,
        trouble=Trouble.TOO_LONG,
        trouble_about="64",
        http_status=200,
        code="code",
        message="message",
        request_id="req_1",
        cancelled_at="2026-11-23",
    )
    assert all(getattr(answer, each.name) != each.default for each in fields(Answer))
    data, words = to_json(Cancelled(1, answer))
    assert from_json("cancelled", data, {word.field: word.text for word in words}) == Cancelled(1, answer)


@pytest.mark.parametrize(
    "kind, data, error",
    [
        ("from_the_future", "{}", KeyError),
        ("approved", '{"approvals":1}', ValidationError),
        ("cancelled", '{"attempt":1,"answer":{"outcome":"perhaps"}}', ValidationError),
        ("withdrawn", "no JSON", ValidationError),
    ],
)
def test_foreign_data_is_refused(kind: str, data: str, error: type[Exception]) -> None:
    """A kind or data that this version does not know raises an error."""
    with pytest.raises(error):
        from_json(kind, data)


def test_what_is_left_out_of_the_json_never_changes_its_meaning() -> None:
    """A field with its default is not written, so the hash does not cover it: these defaults are part of the format."""
    nothing: tuple[object, ...] = ("", None, ())
    frozen = {
        "started": {
            "approvals_required": 1,
            "allow_self_approval": False,
            "approval_ttl_seconds": 0,
            "unclean": False,
            "allow_shared_channels": False,
            "reason_required": False,
            "escalate_after_seconds": 0,
        },
        "looked_up": {"rows": 0},
        "exported": {"rows": 0},
        "requested": {"quorum": 1},
        "cancelled": {"call": 1, "confirmed_by_repeat": False, "late": False},
        **{kind: {"call": 1} for kind in ("repeating", "refused", "failed", "unknown", "answered_late")},
        "card_blocked": {"in_doubt": False, "outdated": False, "told_directly": False},
        "reminded": {"joined": False},
        "digest": {"again": False, "older_copy": False},
        "unfrozen": {"due": 0, "later": 0, "enough": 0},
    }

    def left_out(content: type[Any]) -> dict[str, object]:
        defaults = {each.name: each.default for each in fields(content) if each.default is not MISSING}
        return {name: value for name, value in defaults.items() if value not in nothing}

    assert {kind: left for kind, content in KINDS.items() if (left := left_out(content))} == frozen
    assert left_out(Answer) == {"repeat": False}
