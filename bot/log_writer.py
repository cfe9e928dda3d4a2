"""Log lines that a thread of its own writes: a full pipe or a slow disk costs lines, but nobody's time."""

import logging
import os
import queue
import select
import threading
from collections.abc import Callable

MOST_LINES = 10_000
"""The most lines that wait for a stderr that does not take them; newer ones are lost."""
_FLUSH_WITHIN = 1.0
"""Seconds that the end of the process waits for the last lines."""


class LogWriter(logging.Handler):
    """Writes each line to a file descriptor, in order; the line and its time are made where the event happens.

    The descriptor is the writer's own, and ends with it.
    ``lost`` returns the line that tells how many are missing. It is written where they are missing, as soon as the
    descriptor takes lines again.
    """

    def __init__(self, descriptor: int, lost: Callable[[int], str], most: int = MOST_LINES) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._line_about = lost
        self._most = most
        self._waiting: queue.SimpleQueue[tuple[str, int] | threading.Event | None] = queue.SimpleQueue()
        self._held = self._dropped = 0
        self.lost = 0
        """The number of lines that are missing, whether that could be told or not."""
        # Not the handler's own lock, which the end of the process holds while it waits for the last lines.
        self._counting = threading.Lock()
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line written; never wait, and never raise."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 -- an event that cannot be printed must not end what it tells about
            line = ""
        with self._counting:
            if line and self._held < self._most:
                self._waiting.put((line, self._dropped))
                self._held, self._dropped = self._held + 1, 0
            else:
                self._dropped += 1
                self.lost += 1

    def flush(self) -> None:
        """Wait until everything is written, but for a second at most."""
        written = threading.Event()
        self._waiting.put(written)
        written.wait(_FLUSH_WITHIN)

    def close(self) -> None:
        """Write no more than what waits."""
        self._waiting.put(None)
        super().close()

    def _run(self) -> None:
        missing = 0
        while (item := self._waiting.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            line, dropped = item
            missing = self._tell(missing + dropped)
            written = not missing and self._write(line)
            with self._counting:
                self._held -= 1
                self.lost += not written
                last = written and not self._held
                dropped, self._dropped = (self._dropped, 0) if last else (0, self._dropped)
            missing = self._tell(dropped) if written else missing + 1
        os.close(self._descriptor)

    def _tell(self, missing: int) -> int:
        """Tell how many lines are missing; return how many are still untold."""
        return missing if missing and not self._write(self._line_about(missing)) else 0

    def _write(self, line: str) -> bool:
        rest = f"{line}\n".encode(errors="backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Another program that shares the descriptor may have made it one that does not wait.
                select.select([], [self._descriptor], [], 1.0)
            except OSError:
                return False
        return True
