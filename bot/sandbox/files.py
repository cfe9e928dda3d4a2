"""Files on their way into a conversation, and those that are there.

Sources: https://docs.slack.dev/messaging/working-with-files and https://docs.slack.dev/reference/objects/file-object
"""

import itertools
import mimetypes
from dataclasses import dataclass

from bot.sandbox.blockkit_elements import Json


@dataclass(frozen=True, slots=True)
class SlackFile:
    """A file that was shared in a conversation."""

    id: str
    name: str
    title: str
    content: bytes

    def as_payload(self, user: str) -> Json:
        """Return the file as messages name it; ``user`` shared it."""
        kind = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title,
            "mimetype": kind,
            "filetype": self.name.rpartition(".")[2],
            "user": user,
            "size": len(self.content),
            "mode": "hosted",
            "is_external": False,
        }


@dataclass(slots=True)
class _Upload:
    name: str
    length: int
    content: bytes | None = None


class Uploads:
    """Uploads that were begun and not yet completed, by the ids of their files."""

    def __init__(self) -> None:
        self._begun: dict[str, _Upload] = {}
        self._counter = itertools.count(1)

    def begin(self, name: str, length: int) -> str:
        """Return the id of a new file of this name and of so many bytes, which are still to come."""
        file_id = f"F0LOCAL{next(self._counter):04}"
        self._begun[file_id] = _Upload(name, length)
        return file_id

    def receive(self, file_id: str, content: bytes) -> bool:
        """Keep the bytes of a file. Return False if nobody began this upload, or with another length."""
        upload = self._begun.get(file_id)
        if upload is None or len(content) != upload.length:
            return False
        upload.content = content
        return True

    def complete(self, titles: dict[str, str | None]) -> list[SlackFile] | None:
        """Return the files of these ids with their titles, once; None if the bytes of one of them are not here."""
        begun = {file_id: self._begun.get(file_id) for file_id in titles}
        files = [
            SlackFile(file_id, upload.name, titles[file_id] or upload.name, upload.content)
            for file_id, upload in begun.items()
            if upload is not None and upload.content is not None
        ]
        if len(files) < len(titles):
            return None
        for file in files:
            del self._begun[file.id]
        return files
