"""The happenings of a chaos run, as far as the judge has to know them, and looks at the database meanwhile."""

from collections import Counter
from dataclasses import dataclass, field

from bot.store import Place, StoreError, open_reader
from tests.chaos.copies import Deleted
from tests.chaos.sequence import Arrivals


@dataclass(slots=True)
class Log:
    """The happenings of a run."""

    done: Counter[str] = field(default_factory=Counter)
    deleted: list[Deleted] = field(default_factory=list)
    ended_by_itself: list[int] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    """The number of messages that were owed over each weekend."""
    starts: int = 0
    """How often the bot was started; a second one beside it does not count."""
    uncertain: int = 0
    """How often a bot never learned what became of a commit. After such a start it puts another one on record."""
    called_back: int = 0
    """How many second bots were ended because the first one was dead, whose place they may have taken by then."""
    refused: int = 0
    """How many second bots ended as they should."""
    wrongs: list[str] = field(default_factory=list)
    """What went wrong with a second bot."""
    written: int = 0
    """How many messages people wrote in channels, in threads and to the bot."""
    removed_at: dict[str, int] = field(default_factory=dict)
    """How many events were on record when each of the removed approvers was removed from the group."""
    arrivals: Arrivals = field(default_factory=Arrivals)


class Look:
    """Looks at the database, which may be away or not there yet."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def owed(self) -> int:
        """Return how many messages the bot owes; none where that cannot be read."""
        return self._number("SELECT count(*) FROM deliveries WHERE status = 'queued'") or 0

    def on_record(self) -> int | None:
        """Return how many events are on record, or None where that cannot be read."""
        return self._number("SELECT coalesce(max(seq), 0) FROM audit_events")

    def _number(self, query: str) -> int | None:
        try:
            with open_reader(self._place) as tables:
                ((number,),) = tables.connection.execute(query)
        except StoreError:
            return None
        return int(number)
