"""Every knob of the bot, read from environment variables or, for secrets, from the files they name."""

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, PlainValidator, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain.policy import People

ORDER_ID_PATTERN = "[A-Za-z0-9_-]{1,64}"
"""The default of the setting of that name."""

_LONGEST = timedelta(days=365)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_VARIABLES = {"database_path": "DATABASE_URL"}
_FROM_FILES = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DVPAY_APP_ID", "DVPAY_API_KEY")


class SettingsProblem(Exception):
    """The settings do not hold. ``problems`` has one line each, naming the variable and no secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Stands in for a value that could not be read, so that its problem is told with all the others."""

    problem: str


def _by(parse: Callable[[str], object]) -> PlainValidator:
    def validate(value: object) -> object:
        match value:
            case _Unusable(problem):
                raise ValueError(problem)
            case str():
                return parse(value)
            case _:
                return value

    return PlainValidator(validate)


def _header_value(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("holds a space, a line break or a letter outside ASCII, which no HTTP header can carry")
    return text


def _secret(prefix: str = "") -> Callable[[str], SecretStr]:
    def parse(text: str) -> SecretStr:
        if not text.startswith(prefix):
            raise ValueError(f"does not begin with {prefix}; is it another kind of token?")
        return SecretStr(_header_value(text))

    return parse


def _people(text: str) -> People:
    ids = [item for item in (part.strip() for part in text.split(",")) if item]
    if not ids:
        raise ValueError("names nobody")
    strangers = [item for item in ids if not re.fullmatch("[UWS][A-Z0-9]+", item)]
    if strangers:
        listed = ", ".join(map(repr, strangers))
        rest = "is neither a user id (U…, W…) nor a user-group id (S…)"
        raise ValueError(f"{listed} {rest}" if len(strangers) == 1 else f"each of {listed} {rest}")
    groups = frozenset(item for item in ids if item.startswith("S"))
    return People(users=frozenset(ids) - groups, groups=groups)


def _duration(text: str) -> timedelta:
    found = re.fullmatch("([0-9]{1,9})([smhd])", text)
    if not found:
        raise ValueError(f"{text!r} is not a duration such as 90s, 30m, 4h or 2d")
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta(0) < length <= _LONGEST:
        raise ValueError(f"{text!r} is not between 1s and {_LONGEST.days}d")
    return length


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def _yes_or_no(text: str) -> bool:
    match text.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
        case _:
            raise ValueError(f"{text!r} is neither true nor false")


def _one_of(*choices: str, case: Callable[[str], str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if case(text) not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return case(text)

    return parse


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None


def _channel(text: str) -> str:
    if not re.fullmatch("[CG][A-Z0-9]+", text):
        raise ValueError(
            f"{text!r} is not a channel id (C…, G…); Slack shows the id at the bottom of the channel's details"
        )
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", text):
        raise ValueError(f"{text!r} is not a host name or an IP address")
    return text


def _database(text: str) -> Path:
    path = text.removeprefix("sqlite:///")
    if path == text or not path or path == ":memory:" or "?" in path:
        raise ValueError("is not sqlite:///a/path or sqlite:////an/absolute/path")
    return Path(path)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(text: str) -> SplitResult | None:
    if re.search(r"[\s\x00-\x1f\x7f\\]", text):
        return None
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return url if url.scheme in {"https", "http"} and url.hostname else None


def _url(text: str) -> SplitResult:
    # No message repeats the address: a password may stand in it.
    url = _split(text)
    if url is None:
        raise ValueError("is not an address such as https://example.com")
    if url.username is not None or url.password is not None:
        raise ValueError("holds a user name or a password; leave them out")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError("must begin with https:// (http:// is for this machine alone)")
    if "?" in text or "#" in text:
        raise ValueError("must end before any ? or #")
    return url


def _origin(text: str) -> str:
    url = _url(text)
    if url.path not in {"", "/"}:
        raise ValueError("must be the origin alone, such as https://example.com, without a path")
    return f"{url.scheme}://{url.netloc}"


def _base(text: str) -> str:
    return _url(text).geturl().rstrip("/") + "/"


def _setting(meaning: str, default: str | None, *, unset: str = "") -> Any:
    """A field whose default is written as people write it and read the same way as their values.

    ``unset`` says in the documentation what None stands for.
    """
    shown = unset if default is None else default
    return Field(default, validate_default=True, description=meaning, json_schema_extra={"default": shown})


class Settings(BaseSettings):
    """What the environment says, checked and typed. Made by ``load``; the names are the variables'."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    slack_bot_token: Annotated[SecretStr, _by(_secret("xoxb-"))] = Field(description="the app's bot token, `xoxb-…`")
    slack_app_token: Annotated[SecretStr | None, _by(_secret("xapp-"))] = _setting(
        "the app-level token, `xapp-…`; set it for Socket Mode", None
    )
    slack_signing_secret: Annotated[SecretStr | None, _by(_secret())] = _setting(
        "for HTTP mode; one of `SLACK_APP_TOKEN` and this is required", None
    )
    slack_api_url: Annotated[str, _by(_base)] = _setting(
        "Slack's Web API; another address for the sandbox or a proxy", "https://slack.com/api/"
    )
    dvpay_base_url: Annotated[str, _by(_origin)] = _setting(
        "the payment gateway's origin", "https://merchant.dv.vai247.pro"
    )
    dvpay_app_id: Annotated[str | None, _by(_header_value)] = _setting("sent as `X-App-Id` when set", None)
    dvpay_api_key: Annotated[SecretStr, _by(_secret())] = Field(description="sent as `X-Api-Key`")
    database_path: Annotated[Path, _by(_database)] = _setting(
        "where everything is kept: `sqlite:///relative/path` or `sqlite:////absolute/path`",
        "sqlite:///data/bot.db",
    )
    approvers: Annotated[People, _by(_people)] = Field(
        description="who may decide: user ids and user-group ids, comma-separated"
    )
    requesters: Annotated[People | None, _by(_people)] = _setting(
        "who may ask, in the same form", None, unset="everyone"
    )
    auditors: Annotated[People, _by(_people)] = Field(
        People(users=frozenset(), groups=frozenset()),
        description="who may read everything, in the same form; approvers may too, anyone else reads only their own",
        json_schema_extra={"default": ""},
    )
    approval_channel: Annotated[str | None, _by(_channel)] = _setting(
        "the id of the channel that cards go to", None, unset="where the command ran"
    )
    approvals_required: Annotated[int, _by(_whole_number(1, 100))] = _setting(
        "how many different approvers must approve", "1"
    )
    allow_self_approval: Annotated[bool, _by(_yes_or_no)] = _setting(
        "whether a requester's own approval counts", "false"
    )
    approval_ttl: Annotated[timedelta, _by(_duration)] = _setting(
        "a request that is pending this long expires: `90s`, `30m`, `4h`, `2d`", "24h"
    )
    order_id_pattern: Annotated[re.Pattern[str], _by(_pattern)] = _setting(
        "a regular expression that a whole order id must match", ORDER_ID_PATTERN
    )
    host: Annotated[str, _by(_host)] = _setting("the address to listen on (the Dockerfile sets 0.0.0.0)", "127.0.0.1")
    port: Annotated[int, _by(_whole_number(0, 65535))] = _setting(
        "`/healthz` and `/readyz`, and `/slack/events` in HTTP mode", "3000"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        _by(_one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", case=str.upper)),
    ] = _setting("`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`", "INFO")
    log_format: Annotated[Literal["console", "json"], _by(_one_of("console", "json", case=str.lower))] = _setting(
        "`console` or `json`", None, unset="console on a terminal, else json"
    )

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` hands over: never the process's environment behind its back."""
        return (sources["init_settings"],)

    @property
    def web_api_url(self) -> str:
        """SLACK_API_URL, ready to have a method's name put behind it."""
        return self.slack_api_url

    @field_validator("slack_signing_secret")
    @classmethod
    def _one_way_in(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # An app token with a problem of its own is not in info.data, and needs no second line.
        if value is None and info.data.get("slack_app_token", ...) is None:
            raise ValueError("set SLACK_APP_TOKEN for Socket Mode, or this for HTTP mode; one of the two is required")
        return value

    @field_validator("approvals_required")
    @classmethod
    def _reachable(cls, value: int, info: ValidationInfo) -> int:
        approvers: People | None = info.data.get("approvers")
        if approvers is not None and not approvers.groups and value > len(approvers.users):
            raise ValueError(f"{value} approvals can never be reached, as APPROVERS names {len(approvers.users)}")
        return value

    @field_validator("log_format")
    @classmethod
    def _by_terminal(cls, value: str | None) -> str:
        return value or ("console" if sys.stderr.isatty() else "json")

    def for_audit(self) -> dict[str, object]:
        """What decides who may do what and where it is sent, without secrets, for the record of a start."""
        requesters = self.requesters
        return {
            "approvers": _ids(self.approvers),
            "requesters": "everyone" if requesters is None else _ids(requesters),
            "auditors": _ids(self.auditors),
            "approvals_required": self.approvals_required,
            "allow_self_approval": self.allow_self_approval,
            "approval_ttl_seconds": int(self.approval_ttl.total_seconds()),
            "approval_channel": self.approval_channel,
            "order_id_pattern": self.order_id_pattern.pattern,
            "dvpay_base_url": self.dvpay_base_url,
        }

    def secrets(self) -> list[str]:
        """Every secret in plain text, for ``bot.log`` to keep out of the log."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that these variables give. An empty variable counts as unset.

    Raises SettingsProblem with every problem at once.
    """
    read = {field: _read(_variable(field), environ) for field in Settings.model_fields}
    try:
        return Settings.model_validate({field: value for field, value in read.items() if value is not None})
    except ValidationError as error:
        problems = [_line(item) for item in error.errors()]
    # Outside the except block: pydantic's error holds the values, and must not be chained.
    raise SettingsProblem(problems)


def table() -> list[tuple[str, str, str]]:
    """Each variable's name, its default and its meaning, for the documentation."""
    return [
        (_variable(name), _shown_default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _variable(field: str) -> str:
    return _VARIABLES.get(field, field.upper())


def _read(name: str, environ: Mapping[str, str]) -> str | _Unusable | None:
    value = environ.get(name, "").strip()
    in_file = f"{name}_FILE"
    path = environ.get(in_file, "") if name in _FROM_FILES else ""
    if not path:
        return value or None
    if value:
        return _Unusable(f"is given twice, here and by {in_file}; keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or _Unusable(f"{in_file} names {path}, which is empty")
    except OSError as error:
        return _Unusable(f"{in_file} names {path}, which cannot be read: {error.strerror}")
    except ValueError:
        return _Unusable(f"{in_file} names {path}, which is no text file")


def _line(error: ErrorDetails) -> str:
    told = error.get("ctx", {}).get("error", error["msg"])
    return f"{_variable(str(error['loc'][0]))}: {'is required' if error['type'] == 'missing' else told}"


def _shown_default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["default"]) if isinstance(extra, dict) else "required"


def _ids(people: People) -> list[str]:
    return sorted(people.users | people.groups)
