"""The readers of single values: each turns a variable's text into its type, or raises ValueError.

The text of that error follows the variable's name in the line that the operator reads. It never repeats a value that
may hold a secret: a token, a key, or an address with a password in it. The file is long because it has a reader for
each kind of value.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import PlainValidator, SecretStr

from bot.domain.ids import CHANNEL_ID, GROUP_ID, USER_ID
from bot.domain.lookup import means_something_else
from bot.domain.policy import People
from bot.domain.schedule import DAILY, WEEKDAYS, Schedule
from bot.domain.seal import NotAKey, private_key
from bot.masking import is_token, shown
from bot.settings import patterns
from bot.store.place import Place, Server

ORDER_ID_HERE = "{order_id}"
"""The place of the order id in an address."""
_LONGEST = timedelta(days=365)
_MOST_REASONS, _LONGEST_REASON = 100, 75
"""Options of a select menu, and characters of each: https://docs.slack.dev/reference/block-kit/composition-objects."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DIRECT_MESSAGES = "D"
OFF = "off"
_QUOTES = {(quotes[0], quotes[1]) for quotes in ('""', "''", "``", "“”", "‘’", "„“")}  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that could not even be read, with the problem to report in its place."""

    problem: str


def by(parse: Callable[[str], object]) -> PlainValidator:
    """Return a validator that parses text; it keeps a default that has its type already."""

    def validate(value: object) -> object:
        match value:
            case Unusable(problem):
                # Raised here and not where the file was read, so that all problems are reported together.
                raise ValueError(problem)
            case str():
                return parse(value)
            case _:
                return value

    return PlainValidator(validate)


def unquoted(text: str) -> str:
    """Return the text if no quotes enclose it: a shell would remove them, but a file of variables keeps them."""
    if len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        raise ValueError("is in quotes, which became part of the value; write it without them")
    return text


def header_value(text: str) -> str:
    """Return the text if an HTTP header can carry it: a line break would end the header early."""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("must be ASCII without spaces or line breaks, because it goes into an HTTP header")
    return text


def secret(prefix: str = "") -> Callable[[str], SecretStr]:
    """Return a reader of secrets that begin with ``prefix``."""

    def parse(text: str) -> SecretStr:
        if not text.startswith(prefix):
            raise ValueError(f"must begin with {prefix}; this looks like another kind of token")
        if not prefix and is_token(text):
            raise ValueError("holds a token of Slack's or a PEM key, which belongs elsewhere")
        return SecretStr(header_value(text))

    return parse


def record_key(text: str) -> SecretStr:
    """Return the private key that seals the record, as ``record new-key`` prints it."""
    try:
        private_key(text)
    except NotAKey as error:
        raise ValueError(str(error)) from None
    return SecretStr(text)


def people(text: str) -> People:
    """Return the people that a comma-separated list of ids names."""
    ids = [item for item in (part.strip() for part in text.split(",")) if item]
    if not ids:
        raise ValueError("must name at least one person or user group")
    strangers = [item for item in ids if not re.fullmatch(f"{USER_ID}|{GROUP_ID}", item)]
    if strangers:
        listed = ", ".join(map(shown, strangers))
        if len(strangers) == 1:
            raise ValueError(f"{listed} is not a user ID (U…, W…) or a user-group ID (S…)")
        raise ValueError(f"{listed} are not user IDs (U…, W…) or user-group IDs (S…)")
    groups = frozenset(item for item in ids if re.fullmatch(GROUP_ID, item))
    return People(users=frozenset(ids) - groups, groups=groups)


def duration(text: str) -> timedelta:
    """Return the time that a number and a unit give, from a second to a year."""
    found = re.fullmatch("([0-9]{1,9})([smhd])", text)
    if not found:
        raise ValueError(f"{shown(text)} is not a duration such as 90s, 30m, 4h or 2d")
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta(0) < length <= _LONGEST:
        raise ValueError(f"{shown(text)} is not between 1s and {_LONGEST.days}d")
    return length


def duration_or_off(text: str) -> timedelta | None:
    """Return the time that a number and a unit give, or None for "off"."""
    return None if text.lower() == OFF else duration(text)


_MOST_DAYS = 36_500


def days(text: str) -> timedelta | None:
    """Return the time that a number of days such as 400d gives, or None for any other text."""
    found = re.fullmatch("([1-9][0-9]{0,4})d", text)
    return timedelta(days=int(found[1])) if found else None


def days_or_off(text: str) -> timedelta | None:
    """Return a number of days, at most a hundred years, or None for "off"."""
    if text.lower() == OFF:
        return None
    found = days(text)
    if found is None or found.days > _MOST_DAYS:
        raise ValueError(f"{shown(text)} is not a number of days such as 400d, at most {_MOST_DAYS}d")
    return found


def durations(text: str) -> tuple[timedelta, ...]:
    """Return the times of a comma-separated list, each longer than the one before; none for "off"."""
    if text.lower() == OFF:
        return ()
    found = tuple(duration(part.strip()) for part in text.split(","))
    if any(later <= earlier for earlier, later in pairwise(found)):
        raise ValueError(f"{shown(text)} does not ascend: each time counts from the request, so write 5m,15m")
    return found


def schedule_or_off(text: str) -> Schedule | None:
    """Return the times that a day, a time of the day and a time zone give, or None for "off"."""
    if text.lower() == OFF:
        return None
    found = re.fullmatch(
        rf"({DAILY}|{'|'.join(WEEKDAYS)}) +([01][0-9]|2[0-3]):([0-5][0-9]) +(\S+)", text, re.IGNORECASE
    )
    if not found:
        raise ValueError(
            f"{shown(text)} is not a day, a time and a time zone, such as mon 09:00 Asia/Phnom_Penh or"
            " daily 18:30 Europe/Berlin; the days are " + ", ".join((*WEEKDAYS, DAILY))
        )
    day = found[1].lower()
    try:
        zone = ZoneInfo(found[4])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{shown(found[4])} is not a time zone that this machine knows, such as Europe/Berlin"
        ) from None
    return Schedule(None if day == DAILY else WEEKDAYS.index(day), time(int(found[2]), int(found[3])), zone)


def written(length: timedelta) -> str:
    """Return a time as people write it in a setting."""
    seconds = int(length.total_seconds())
    sizes = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    unit = next(unit for unit, size in sizes.items() if not seconds % size)
    return f"{seconds // sizes[unit]}{unit}"


def reasons(text: str) -> tuple[str, ...]:
    """Return the reasons of a comma-separated list, as a menu of Slack's can offer them."""
    found = tuple(" ".join(part.split()) for part in text.split(","))
    if "" in found:
        raise ValueError("has an empty entry: write one comma between two reasons, and none at the end")
    if len(found) > _MOST_REASONS:
        raise ValueError(f"has {len(found)} entries, and a menu in Slack has at most {_MOST_REASONS}")
    for each in found:
        if len(each) > _LONGEST_REASON:
            raise ValueError(f"{shown(each)} is too long for a menu in Slack, which shows {_LONGEST_REASON} characters")
        if not each.isprintable():
            raise ValueError(f"{shown(each)} contains a character that nobody can see")
        if means_something_else(each):
            raise ValueError(f"{shown(each)} means something else in a look-up; choose other words")
    # A look-up takes them in any case.
    known = [each.casefold() for each in found]
    if twice := [each for number, each in enumerate(found) if each.casefold() in known[:number]]:
        raise ValueError(f"names {shown(twice[0])} twice")
    return found


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` to ``most``."""

    def parse(text: str) -> int:
        # int() alone would also take "1_000", "+1" and digits of other alphabets.
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"{shown(text)} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def yes_or_no(text: str) -> bool:
    """Return True or False for the words that people use for them."""
    match text.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
        case _:
            raise ValueError(f"{shown(text)} is not true or false")


def one_of(*choices: str, case: Callable[[str], str]) -> Callable[[str], str]:
    """Return a reader of these words; ``case`` brings a text into the case in which they are written."""

    def parse(text: str) -> str:
        if case(text) not in choices:
            raise ValueError(f"{shown(text)} is not one of {', '.join(choices)}")
        return case(text)

    return parse


def pattern(text: str) -> re.Pattern[str]:
    """Return the compiled regular expression; it takes no empty text, and a bounded time for every other."""
    try:
        compiled = re.compile(text)
    except (OverflowError, RecursionError):
        raise ValueError("is not a regular expression that can be used: it is too large") from None
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(f"is not a valid regular expression: {error.msg}{where}") from None
    patterns.check(compiled)
    if compiled.fullmatch(""):
        raise ValueError("must not fit an empty order ID: write + in place of *, for example")
    return compiled


def channel(text: str) -> str:
    """Return the id of a channel; cards in somebody's direct messages would have no approvers."""
    if not re.fullmatch(CHANNEL_ID, text) or text.startswith(_DIRECT_MESSAGES):
        raise ValueError(
            f"{shown(text)} is not a channel ID (C…, G…); copy it from the end of the channel's details in Slack"
        )
    return text


def contact(text: str) -> str:
    """Return the id of a channel, a user group or a person; nobody else can read somebody's direct messages."""
    if not re.fullmatch(f"{USER_ID}|{GROUP_ID}|{CHANNEL_ID}", text) or text.startswith(_DIRECT_MESSAGES):
        raise ValueError(f"{shown(text)} is not the ID of a channel (C…, G…), a user group (S…) or a person (U…, W…)")
    return text


def host(text: str) -> str:
    """Return the host name or IP address."""
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", text):
        raise ValueError(f"{shown(text)} is not a host name or an IP address")
    return text


def database(text: str) -> Place:
    """Return the path in a ``sqlite:///`` URL, or the server of a ``postgresql://`` one."""
    if re.match("postgres(ql)?://", text):
        return Server(SecretStr(_with_tls(text)))
    path = text.removeprefix("sqlite:///")
    # A ? would begin SQLite's own parameters, which could switch off what the store relies on.
    if path == text or not path or path == ":memory:" or "?" in path:
        # Without the value: the URL of another database often has a password in it.
        raise ValueError("must be sqlite:///a/path, sqlite:////an/absolute/path or postgresql://host/name")
    return Path(path)


def _with_tls(url: str) -> str:
    """Return the URL of a PostgreSQL database so that its password goes to nobody but the server that it names.

    Without a word about TLS, PostgreSQL's library goes without where the server, or somebody in its place, has none.
    """
    # No message repeats the URL: there may be a password in it.
    try:
        found, given = urlsplit(url), dict(parse_qsl(urlsplit(url).query, strict_parsing=bool(urlsplit(url).query)))
    except ValueError:
        raise ValueError("is not an address such as postgresql://host/name") from None
    named = given.get("hostaddr") or given.get("host") or found.netloc.rpartition("@")[2]
    hosts = [re.sub(r":[0-9]*$", "", each).strip("[]") for each in named.split(",")]
    if not all(hosts):
        raise ValueError("must name a host; that of a socket is its folder: postgresql:///name?host=/run/postgresql")
    if not found.path.strip("/"):
        raise ValueError("must name a database behind the host: postgresql://host/name")
    if "service" in given:
        raise ValueError("must not name a service: write its host and its database")
    if all(each.startswith(("/", "%2F")) or _is_loopback(each) for each in hosts):
        return url
    if given.get("sslmode", "verify-full") != "verify-full":
        raise ValueError("must have sslmode=verify-full, or none, which is the same: another may show its password")
    added = {"sslmode": "verify-full", "sslrootcert": "system"}
    more = "&".join(f"{name}={value}" for name, value in added.items() if name not in given)
    return f"{url}{'&' if found.query else '?'}{more}" if more else url


def origin(text: str) -> str:
    """Return the address of a server, without a slash at its end."""
    url = _url(text)
    if url.path not in {"", "/"}:
        raise ValueError("must have no path: write it like https://example.com")
    return f"{url.scheme}://{url.netloc}"


def base_url(text: str) -> str:
    """Return the address with one slash at its end, so that a method's name can follow."""
    return _url(text).geturl().rstrip("/") + "/"


def collector(text: str) -> str:
    """Return the address of an OTLP collector with one slash at its end; in the same network it is often plain HTTP."""
    url = _split(text)
    if url is None or "?" in text or "#" in text:
        raise ValueError("is not an address such as http://127.0.0.1:4318")
    if url.username is not None or url.password is not None:
        raise ValueError("must not contain a user name or a password")
    try:
        installed = find_spec("opentelemetry.exporter.otlp.proto.http") and find_spec("opentelemetry.sdk")
    except ImportError:
        installed = None
    if installed is None:
        raise ValueError("needs the extra otel; install cancel-desk[otel], or leave this out")
    return url.geturl().rstrip("/") + "/"


def order_url(text: str) -> str:
    """Return the address of an order's page: https, with ``{order_id}`` once, and behind the host."""
    url = _split(text.replace(ORDER_ID_HERE, "x", 1))
    if url is None or url.scheme != "https":
        raise ValueError(f"must be an https address, such as https://example.com/orders/{ORDER_ID_HERE}")
    if url.username is not None or url.password is not None:
        raise ValueError("must not contain a user name or a password")
    if text.count(ORDER_ID_HERE) != 1 or re.search(r"[{}<>|]", text.replace(ORDER_ID_HERE, "")):
        raise ValueError(f"must contain {ORDER_ID_HERE} once, and no other {{ or }}")
    if ORDER_ID_HERE in text.removeprefix("https://").replace("?", "/").replace("#", "/").partition("/")[0]:
        # An order id is text from people, and must not choose the host.
        raise ValueError(f"must have {ORDER_ID_HERE} behind the host: https://example.com/orders/{ORDER_ID_HERE}")
    return text


def _url(text: str) -> SplitResult:
    # No message repeats the address: there may be a password in it.
    url = _split(text)
    if url is None:
        raise ValueError("is not an address such as https://example.com")
    if url.username is not None or url.password is not None:
        raise ValueError("must not contain a user name or a password")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError("must begin with https:// (http:// is allowed for this machine only)")
    if "?" in text or "#" in text:
        raise ValueError("must not contain ? or #")
    return url


def _split(text: str) -> SplitResult | None:
    # urlsplit drops line breaks and tabs, and a backslash is a slash to some clients: the host that was checked
    # would not be the host that is called.
    if re.search(r"[\s\x00-\x1f\x7f\\]", text):
        return None
    try:
        url = urlsplit(text)
        _ = url.port  # raises where it is no port
    except ValueError:
        return None
    return url if url.scheme in {"https", "http"} and url.hostname else None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
