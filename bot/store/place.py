"""The place where the bot keeps everything: a SQLite file, or a PostgreSQL server."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """A database on a PostgreSQL server. The URL may hold a password, and nothing that shows this object shows it."""

    url: SecretStr

    def secrets(self) -> list[str]:
        """Return the URL and the passwords in it, as they are written there and as they are meant."""
        url = self.url.get_secret_value()
        found = urlsplit(url)
        password = found.netloc.rpartition("@")[0].partition(":")[2]
        others = parse_qs(found.query).get("password", [])
        return [url, *dict.fromkeys(each for each in (password, unquote(password), *others) if each)]

    def __str__(self) -> str:
        """Return the host and the name of the database, which is what an operator looks for."""
        found = urlsplit(self.url.get_secret_value())
        host = found.netloc.rpartition("@")[2] or ",".join(parse_qs(found.query).get("host", []))
        return f"postgresql://{host}{found.path}"

    def __repr__(self) -> str:
        return f"Server({self})"


Place: TypeAlias = Path | Server


def address(place: Place) -> str:
    """Return what DATABASE_URL holds for this place; it may hold a password."""
    return place.url.get_secret_value() if isinstance(place, Server) else f"sqlite:///{place}"
