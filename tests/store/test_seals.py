"""Seals of a record: made in every commit by the holder of the key, and by nobody else, on both engines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain import merkle
from bot.domain.audit import Event, follow, parse_head, timestamp
from bot.domain.events import Started, Stopped, to_json
from bot.domain.seal import PrivateKey, new_key
from bot.domain.verification import Damage, Verification
from bot.store import Place, Store, StoreError, StoreProblem, Tables, backup, move, open_beside, open_reader, verify_all
from bot.store.seals import Seal
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.postgres import Cluster
from tests.store.test_verification import rewrite
from tests.workflow.steps import CANCELLED, approved, deliver_all, requested, sending

KEY, OTHER = new_key(), new_key()
STARTED = Started("1")


class Bots:
    """Bots that run on the test's database, one after another or beside each other."""

    def __init__(self, place: Place, rules: Rules, clock: Clock) -> None:
        self.place, self._rules, self._clock = place, rules, clock

    @asynccontextmanager
    async def running(self, key: PrivateKey | None) -> AsyncIterator[Workflow]:
        """Let a bot with this key start, yield its use cases, and close its database."""
        store = Store(self.place, key=key)
        await store.open()
        try:
            workflow = Workflow(store, self._rules, now=self._clock, wake=asyncio.Event(), jitter=lambda: 0.0)
            await workflow.start(replace(STARTED, record_key=key.public.text if key is not None else ""))
            yield workflow
        finally:
            await store.close()

    async def cancel(self, key: PrivateKey | None, order: str) -> None:
        """Let a bot with this key start, cancel an order and stop."""
        async with self.running(key) as workflow:
            await approved(workflow, order, form=order)
            await workflow.record_answer(await sending(workflow), CANCELLED)
            await deliver_all(workflow)

    def seals(self) -> list[Seal]:
        """Return all seals."""
        with open_reader(self.place) as tables:
            return tables.seals.all()

    def verified(self, *keys: PrivateKey | None) -> Verification:
        """Verify everything, with the public keys that are given."""
        return verify_all(self.place, keys=[each.public for each in keys if each is not None])

    def change(self, *statements: str) -> None:
        """Change tables of the seals by plain SQL; no guard keeps anybody from it."""
        with open_beside(self.place) as tables:
            for statement in statements:
                tables.connection.execute(statement)


@pytest.fixture
def bots(database_place: Place, rules: Rules, clock: Clock) -> Bots:
    """Return bots for the test's database."""
    return Bots(database_place, rules, clock)


async def test_every_commit_seals_the_record_up_to_its_end(bots: Bots) -> None:
    """Whatever was acknowledged is sealed, and the public key alone proves all of it."""
    async with bots.running(KEY) as workflow:
        for number in range(3):
            await requested(workflow, f"ord_{number}", form=f"V{number}")
            (seal,) = bots.seals()
            found = bots.verified(KEY)
            assert (found.damage, found.events) == (None, seal.size)
            assert (found.sealed_by, found.unknown) == (KEY.public.short, ())


async def test_the_first_seal_covers_what_was_there_before_it(bots: Bots) -> None:
    """A team that sets a key later proves from then on all that is on record, as it is then."""
    await bots.cancel(None, "ord_1")
    assert bots.seals() == []
    assert bots.verified().sealed_by == ""
    await bots.cancel(KEY, "ord_2")
    found = bots.verified(KEY)
    assert (found.damage, found.sealed_by) == (None, KEY.public.short)
    assert [each.key for each in bots.seals()] == [KEY.public.text]


@pytest.mark.parametrize("key, problem", [(None, StoreProblem.SEALED), (OTHER, StoreProblem.ANOTHER_KEY)])
async def test_nothing_is_added_to_a_sealed_record_without_its_key(
    bots: Bots, clock: Clock, key: PrivateKey | None, problem: StoreProblem
) -> None:
    """A bot or a command without the key is refused before anything changes."""
    await bots.cancel(KEY, "ord_1")
    before = bots.seals(), bots.verified(KEY)
    with pytest.raises(StoreError) as caught, open_beside(bots.place, key) as tables:
        tables.record.append(Stopped(), "terminal:root", clock())
    assert (caught.value.problem, caught.value.about) == (problem, KEY.public.short)
    with pytest.raises(StoreError) as caught, open_beside(bots.place, key) as tables:
        tables.beat(clock())
    assert caught.value.problem is problem
    if key is None:
        with pytest.raises(StoreError):
            await bots.cancel(None, "ord_2")
    assert (bots.seals(), bots.verified(KEY)) == before


async def test_a_start_with_a_new_key_says_so_and_the_old_seal_stays(bots: Bots) -> None:
    """Whoever knows the new key learns up to where the old one sealed; the old key does not prove what came later."""
    await bots.cancel(KEY, "ord_1")
    (old,) = bots.seals()
    await bots.cancel(OTHER, "ord_2")
    found = bots.verified(OTHER)
    assert (found.damage, found.sealed_by) == (None, OTHER.public.short)
    assert found.earlier == ((KEY.public.short, old.size),)
    found = bots.verified(KEY)
    assert (found.damage, found.seq, found.about) == (Damage.KEY_CHANGED, old.size, OTHER.public.short)
    assert bots.verified(new_key()).damage is Damage.SEALED_WITH_ANOTHER_KEY


async def test_all_known_keys_say_who_sealed_what(bots: Bots) -> None:
    """A key that was forgotten is named; one that never sealed anything here is damage, in whatever order they come."""
    third = new_key()
    sizes = []
    for number, key in enumerate((KEY, OTHER, third)):
        await bots.cancel(key, f"ord_{number}")
        sizes.append(bots.verified().events)
    found = bots.verified(third, KEY, OTHER, KEY)
    earlier = ((KEY.public.short, sizes[0]), (OTHER.public.short, sizes[1]))
    assert (found.damage, found.sealed_by, found.earlier) == (None, third.public.short, earlier)
    assert found.unknown == ()
    assert bots.verified(third, OTHER).unknown == (KEY.public.short,)
    assert bots.verified().unknown == (KEY.public.short, OTHER.public.short, third.public.short)
    found = bots.verified(KEY, OTHER)
    assert (found.damage, found.seq, found.about) == (Damage.KEY_CHANGED, sizes[1], third.public.short)
    foreign = new_key()
    found = bots.verified(foreign, third)
    assert (found.damage, found.about) == (Damage.KEY_WITHOUT_SEAL, foreign.public.short)
    assert bots.verified(foreign, new_key()).damage is Damage.SEALED_WITH_ANOTHER_KEY


async def test_a_former_key_that_comes_back_seals_again(bots: Bots) -> None:
    """Its last seal counts, and the one in between still proves what it sealed."""
    for number, key in enumerate((KEY, OTHER, KEY)):
        await bots.cancel(key, f"ord_{number}")
        if key is OTHER:
            until = bots.verified().events
    found = bots.verified(KEY, OTHER)
    assert (found.damage, found.sealed_by, found.earlier) == (None, KEY.public.short, ((OTHER.public.short, until),))


async def test_a_holder_of_the_new_key_cannot_hide_that_there_was_an_old_one(bots: Bots) -> None:
    """A record that was written again from its beginning has no seal of the old key."""
    await bots.cancel(OTHER, "ord_1")
    found = bots.verified(KEY, OTHER)
    assert (found.damage, found.about) == (Damage.KEY_WITHOUT_SEAL, KEY.public.short)


async def test_a_transaction_that_is_undone_leaves_no_seal(bots: Bots, clock: Clock) -> None:
    """The next one is sealed as if it had never been there."""
    store = Store(bots.place, key=KEY)
    await store.open()

    def work(tx: Tables) -> None:
        tx.record.append(replace(STARTED, record_key=KEY.public.text), "bot", clock())

    def torn(tx: Tables) -> None:
        tx.record.append(Stopped(), "bot", clock())
        raise RuntimeError

    def start_torn(tx: Tables) -> None:
        work(tx)
        tx.seal()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.transaction("start", start_torn)
    assert bots.seals() == []
    await store.transaction("start", work)
    before = bots.seals()
    with pytest.raises(RuntimeError):
        await store.transaction("torn", torn)
    assert bots.seals() == before
    await store.transaction("stop", lambda tx: tx.record.append(Stopped(), "bot", clock()))
    await store.close()
    assert bots.verified(KEY) == replace(bots.verified(KEY), damage=None, events=2)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_several_bots_seal_in_turn(bots: Bots) -> None:
    """Each goes on where the other ended."""
    async with bots.running(KEY) as one, bots.running(KEY) as two:
        for number, workflow in enumerate((one, two, two, one)):
            await requested(workflow, f"ord_{number}", form=f"V{number}")
    (seal,) = bots.seals()
    found = bots.verified(KEY)
    assert (found.damage, found.events) == (None, seal.size)


async def test_each_event_has_a_proof_that_leads_to_the_sealed_root(bots: Bots, clock: Clock) -> None:
    """Also over several whole blocks and the leaves after them."""
    async with bots.running(KEY):
        pass
    with open_beside(bots.place, KEY) as tables:
        for _ in range(600):
            tables.record.append(Stopped(), "bot", clock())
    with open_reader(bots.place) as tables:
        sealed = tables.seals.latest()
        assert sealed is not None
        read = sealed.tree()
        assert read is not None
        for size in (sealed.size, 257, 256, 1):
            root = tables.seals.root(size)
            for seq in {1, 2, 255, 256, 257, size} & set(range(1, size + 1)):
                proof = tables.seals.proof(seq, size)
                assert merkle.root_by(proof, seq - 1, size, tables.record.event(seq).hash) == root
        assert tables.seals.root(sealed.size) == read[1].root


@pytest.mark.parametrize(
    "statements, damage",
    [
        (["DELETE FROM seals"], Damage.SEAL_GONE),
        (["UPDATE seals SET key = '{other}'"], Damage.SEAL_GONE),
        (["UPDATE seals SET note = replace(note, 'chain ', 'chain 0')"], Damage.SEAL_FORGED),
        (["UPDATE seals SET frontier = '{zeros}'"], Damage.SEAL_FORGED),
        (["UPDATE seals SET note = ''"], Damage.SEAL_FORGED),
        (["UPDATE seals SET note = '{earlier_note}'"], Damage.SEAL_FORGED),
        (
            ["UPDATE seals SET note = '{earlier_note}', size = {earlier_size}, frontier = '{earlier_frontier}'"],
            Damage.UNSEALED,
        ),
        (["UPDATE seals SET size = size + 1"], Damage.SEALED_EVENTS_CUT),
    ],
)
async def test_a_seal_that_was_changed_is_found_and_the_bot_adds_nothing_to_it(
    bots: Bots, statements: list[str], damage: Damage
) -> None:
    """A verification finds it with the key and without, and so does the bot before its next commit."""
    async with bots.running(KEY):
        (earlier,) = bots.seals()
    await bots.cancel(KEY, "ord_1")
    (last,) = bots.seals()
    named = {
        "other": OTHER.public.text,
        "zeros": "0" * len(last.frontier),
        "earlier_note": earlier.note,
        "earlier_size": earlier.size,
        "earlier_frontier": earlier.frontier,
    }
    bots.change(*(statement.format(**named) for statement in statements))
    for key in (KEY, None):
        assert bots.verified(key).damage is damage
    for key in (KEY, OTHER, None):
        with pytest.raises(StoreError) as caught:
            await bots.cancel(key, "ord_2")
        if key is KEY:
            assert caught.value.problem in {
                StoreProblem.SEAL_BROKEN,
                StoreProblem.NOT_SEALED,
                StoreProblem.ANOTHER_KEY,
            }
    assert bots.verified(KEY).damage is damage


async def test_a_sealed_record_moves_to_another_engine_and_is_sealed_on(
    bots: Bots, rules: Rules, clock: Clock, postgres: Cluster, tmp_path: Path
) -> None:
    """With its seals and its tree, also one of a single block."""
    async with bots.running(KEY):
        pass
    with open_beside(bots.place, KEY) as tables:
        for _ in range(300):
            tables.record.append(Stopped(), "bot", clock())
    target = Bots(postgres.new() if isinstance(bots.place, Path) else tmp_path / "moved.db", rules, clock)
    move(bots.place, target.place)
    assert target.seals() == bots.seals()
    await target.cancel(KEY, "ord_1")
    assert target.verified(KEY).damage is None


async def test_a_tree_that_does_not_fit_is_found(bots: Bots, clock: Clock) -> None:
    """Proofs are made from its blocks, so they have to be those of the events."""
    async with bots.running(KEY):
        pass
    with open_beside(bots.place, KEY) as tables:
        for _ in range(300):
            tables.record.append(Stopped(), "bot", clock())
    bots.change("UPDATE tree_blocks SET root = '" + "0" * 64 + "'")
    assert bots.verified(KEY).damage is Damage.TREE


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_record_without_a_seal_says_what_that_does_not_prove(bots: Bots, key: PrivateKey | None) -> None:
    """With a key in hand, a record without a seal is no proof."""
    await bots.cancel(None, "ord_1")
    found = bots.verified(key)
    assert (found.damage, found.sealed_by) == (Damage.NEVER_SEALED if key is not None else None, "")


# --- What somebody can do who has the file, with the guards taken away and put back -------------


def without_keys(kept: list[Event]) -> list[Event]:
    """Return the events as if nobody had ever set a key."""
    plain = to_json(STARTED)[0]
    return [each._replace(data=plain) if each.kind == Started.kind else each for each in kept]


def of_another(kept: list[Event]) -> list[Event]:
    """Return the events with another approver."""
    return [each._replace(actor="UTWO") if each.kind == "approved" else each for each in kept]


FOLLOWED = (
    "UPDATE decisions SET approver = 'UTWO' WHERE choice = 'approve'",
    "UPDATE people SET id = 'UTWO' WHERE id = 'UONE'",
)
"""The tables as the forged events have them."""


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestForgery:
    """The record and its tables are rewritten together, so that only the seal can tell."""

    @pytest.fixture
    async def sealed(self, bots: Bots) -> Bots:
        """Return bots with a sealed record."""
        await bots.cancel(KEY, "ord_1")
        return bots

    def forge(self, bots: Bots, *edits: Callable[[list[Event]], list[Event]], also: tuple[str, ...] = ()) -> None:
        """Rewrite the record and its tables so that they fit each other."""

        def edit(kept: list[Event]) -> list[Event]:
            kept = [e._replace(actor="UTWO") if e.kind == "named" and e.actor == "UONE" else e for e in kept]
            for each in edits:
                kept = each(kept)
            return kept

        assert isinstance(bots.place, Path)
        rewrite(bots.place, edit, *FOLLOWED, *also)

    @pytest.mark.parametrize("key", [KEY, None])
    async def test_a_rewritten_record_is_not_what_was_sealed(self, sealed: Bots, key: PrivateKey | None) -> None:
        """The last seal is enough, also by the key that the record itself names."""
        self.forge(sealed, of_another)
        assert sealed.verified(key).damage is Damage.NOT_AS_SEALED
        with pytest.raises(StoreError) as caught:
            await sealed.cancel(KEY, "ord_2")
        assert caught.value.problem is StoreProblem.NOT_SEALED

    @pytest.mark.parametrize("key", [KEY, None])
    async def test_a_rewritten_record_without_its_seal_is_known_to_have_had_one(
        self, sealed: Bots, key: PrivateKey | None
    ) -> None:
        """Its start names the key."""
        self.forge(sealed, of_another, also=("DELETE FROM seals", "DELETE FROM tree_blocks"))
        assert sealed.verified(key).damage is Damage.SEAL_GONE
        with pytest.raises(StoreError):
            await sealed.cancel(KEY, "ord_2")

    async def test_a_record_that_never_heard_of_a_key_proves_nothing_to_whoever_knows_it(self, sealed: Bots) -> None:
        """Without the key nobody can tell: docs/record.md says so."""
        self.forge(sealed, of_another, without_keys, also=("DELETE FROM seals", "DELETE FROM tree_blocks"))
        assert sealed.verified().damage is None
        assert sealed.verified(KEY).damage is Damage.NEVER_SEALED

    async def test_a_record_that_somebody_else_has_sealed_is_found_with_the_key(self, sealed: Bots) -> None:
        """Without the key nobody can tell: docs/record.md says so."""
        self.forge(sealed, of_another, without_keys, also=("DELETE FROM seals", "DELETE FROM tree_blocks"))
        await sealed.cancel(OTHER, "ord_2")
        assert sealed.verified().damage is None
        assert sealed.verified(KEY).damage is Damage.SEALED_WITH_ANOTHER_KEY

    @pytest.mark.parametrize("key", [KEY, None])
    async def test_a_well_made_event_that_was_appended_has_no_seal(
        self, sealed: Bots, clock: Clock, key: PrivateKey | None
    ) -> None:
        """The guards and the chain let it pass, and the bot adds nothing to it."""
        assert isinstance(sealed.place, Path)
        last = sealed.verified().events

        def appended(kept: list[Event]) -> list[Event]:
            event, _ = follow(kept[-1], Stopped(), "bot", timestamp(clock()))
            return [*kept, event]

        rewrite(sealed.place, appended)
        found = sealed.verified(key)
        assert (found.damage, found.seq, found.other) == (Damage.UNSEALED, last + 1, last + 1)
        with pytest.raises(StoreError) as caught:
            await sealed.cancel(KEY, "ord_2")
        assert caught.value.problem is StoreProblem.NOT_SEALED

    @pytest.mark.parametrize("key", [KEY, None])
    async def test_an_end_that_was_cut_off_is_missed_by_the_seal(self, bots: Bots, key: PrivateKey | None) -> None:
        """The seal says how many events there are."""
        for _ in range(2):
            async with bots.running(KEY):
                pass
        assert isinstance(bots.place, Path)
        rewrite(bots.place, lambda kept: kept[:-1])
        found = bots.verified(key)
        assert (found.damage, found.seq, found.other) == (Damage.SEALED_EVENTS_CUT, 2, 2)

    async def test_an_older_copy_is_whole_in_itself(self, sealed: Bots, tmp_path: Path) -> None:
        """Only a head of a later time shows that it is older: docs/record.md says so."""
        assert isinstance(sealed.place, Path)
        copy = tmp_path / "copy.db"
        backup(sealed.place, copy)
        await sealed.cancel(KEY, "ord_2")
        later = sealed.verified(KEY).head
        assert verify_all(copy, keys=[KEY.public]).damage is None
        assert verify_all(copy, parse_head(later), [KEY.public]).damage is Damage.CUT
