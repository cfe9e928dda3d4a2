"""Every setting with its type, its default and its meaning. The name of its variable is the field's, in capitals.

To add a setting: a field here, and a reader in ``values.py`` if its type needs a new one.
"""

import re
import sys
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from bot.domain.events import Started
from bot.domain.ids import EXAMPLE, ORDER_ID, is_order_id
from bot.domain.policy import People
from bot.domain.schedule import Schedule
from bot.domain.seal import PrivateKey, private_key
from bot.masking import shown
from bot.settings import values
from bot.settings.values import by
from bot.store.place import Place, Server

_REMIND = "5m,15m"


def _setting(meaning: str, default: str | None, *, unset: str = "") -> Any:
    """Return a field whose default is written as people write it, and parsed the same way as their values.

    ``unset`` says in the documentation what None stands for.
    """
    shown = unset if default is None else default
    return Field(default, validate_default=True, description=meaning, json_schema_extra={"default": shown})


class _Model(BaseModel):
    # pydantic's errors would show values, and some of them are secrets.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DatabaseSettings(_Model):
    """The one setting of ``audit verify`` and ``backup``, so that no mistake in another keeps them from working."""

    database: Annotated[Place, by(values.database)] = _setting(
        "the database: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/name`",
        "sqlite:///data/bot.db",
    )


class WritingSettings(DatabaseSettings):
    """The settings of a command that puts something on record."""

    record_key: Annotated[SecretStr | None, by(values.record_key)] = _setting(
        "the private key that seals the record, from the command `record new-key`", None, unset="no seal"
    )

    def seals_with(self) -> PrivateKey | None:
        """Return the key that seals the record, or None."""
        return private_key(self.record_key.get_secret_value()) if self.record_key is not None else None


class RecordSettings(WritingSettings):
    """The settings that a look-up needs, also on a machine that has no tokens."""

    order_id_pattern: Annotated[re.Pattern[str], by(values.pattern)] = _setting(
        "a regular expression that a whole order ID must match", ORDER_ID
    )
    reasons: Annotated[tuple[str, ...] | None, by(values.reasons)] = _setting(
        "the reasons that the form offers, separated by commas; people can add a note", None, unset="no list"
    )


class _Accounts(_Model):
    """The addresses of Slack and the gateway, and the credentials for them."""

    slack_bot_token: Annotated[SecretStr, by(values.secret("xoxb-"))] = Field(
        description="the app's bot token, `xoxb-…`"
    )
    slack_app_token: Annotated[SecretStr | None, by(values.secret("xapp-"))] = _setting(
        "the app-level token, `xapp-…`, for Socket Mode", None
    )
    slack_signing_secret: Annotated[SecretStr | None, by(values.secret())] = _setting(
        "the signing secret, for HTTP mode; this or `SLACK_APP_TOKEN` is required", None
    )
    slack_api_url: Annotated[str, by(values.base_url)] = _setting(
        "Slack's Web API; change it only for a proxy or the sandbox", "https://slack.com/api/"
    )
    dvpay_base_url: Annotated[str, by(values.origin)] = _setting(
        "the payment gateway's address, without a path", "https://merchant.dv.vai247.pro"
    )
    dvpay_moved_from: Annotated[str | None, by(values.origin)] = _setting(
        "the former `DVPAY_BASE_URL`, where the same gateway has got a new address", None
    )
    dvpay_app_id: Annotated[SecretStr | None, by(values.secret())] = _setting("sent as `X-App-Id` if it is set", None)
    dvpay_api_key: Annotated[SecretStr, by(values.secret())] = Field(description="sent as `X-Api-Key`")

    @field_validator("slack_signing_secret")
    @classmethod
    def _one_way_in(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # An app token with a problem of its own is not in info.data, and needs no second line.
        if value is None and info.data.get("slack_app_token", ...) is None:
            raise ValueError("set SLACK_APP_TOKEN (Socket Mode) or this one (HTTP mode); one of the two is required")
        return value


# pydantic takes the fields of the last base first, so the documentation begins with the accounts.
class Settings(RecordSettings, _Accounts):
    """All settings of the bot, checked and typed."""

    approvers: Annotated[People, by(values.people)] = Field(
        description="the approvers: user IDs and user-group IDs, separated by commas"
    )
    requesters: Annotated[People | None, by(values.people)] = _setting(
        "the people who may ask, in the same form", None, unset="everyone"
    )
    auditors: Annotated[People, by(values.people)] = Field(
        People(users=frozenset(), groups=frozenset()),
        description="the people who may read everything, in the same form; approvers may too, others only their own",
        json_schema_extra={"default": ""},
    )
    approval_channel: Annotated[str | None, by(values.channel)] = _setting(
        "the ID of the channel for the cards", None, unset="the command's channel"
    )
    allow_shared_channels: Annotated[bool, by(values.yes_or_no)] = _setting(
        "`true` if cards may go to a channel that is shared with another company, whose people then read them", "false"
    )
    approvals_required: Annotated[int, by(values.whole_number(1, 100))] = _setting(
        "the number of different approvers who must approve", "1"
    )
    allow_self_approval: Annotated[bool, by(values.yes_or_no)] = _setting(
        "`true` if a requester's own approval counts", "false"
    )
    approval_ttl: Annotated[timedelta, by(values.duration)] = _setting(
        "a request expires after being pending this long: `90s`, `30m`, `4h`, `2d`", "2h"
    )
    reason_required: Annotated[bool, by(values.yes_or_no)] = _setting(
        "`true` if nobody can ask without a reason: one of `REASONS`, or any words if there is no list", "false"
    )
    order_id_example: Annotated[str | None, by(str)] = _setting(
        "the order ID that forms and errors show as an example; it must match `ORDER_ID_PATTERN`",
        None,
        unset="ord_1001 if `ORDER_ID_PATTERN` is not set",
    )
    contact: Annotated[str | None, by(values.contact)] = _setting(
        "whom people are to ask for help: the ID of a channel, a user group or a person", None, unset="nobody by name"
    )
    mention_approvers: Annotated[bool, by(values.yes_or_no)] = _setting(
        "`false` if no card and no message mentions the approvers", "true"
    )
    remind_after: Annotated[tuple[timedelta, ...] | None, by(values.durations)] = _setting(
        "remind the approvers of a request that was pending this long, each time; `off` for never", None, unset=_REMIND
    )
    escalate_after: Annotated[timedelta | None, by(values.duration_or_off)] = _setting(
        "ask `ESCALATE_TO` as well about a request that was pending this long", None, unset=values.OFF
    )
    escalate_to: Annotated[People | None, by(values.people)] = _setting(
        "the people who may then decide that request, in the same form as `APPROVERS`", None
    )
    erase_text_after: Annotated[timedelta | None, by(values.days_or_off)] = _setting(
        "erase the words that people typed when they are this old, such as `400d`; those of open requests stay",
        None,
        unset=values.OFF,
    )
    order_url: Annotated[str | None, by(values.order_url)] = _setting(
        "the page of an order, `https://…/{order_id}`: the card links to it", None, unset="no link"
    )
    gateway_concurrency: Annotated[int, by(values.whole_number(1, 100))] = _setting(
        "the number of calls to the gateway that are under way at once, at most 100", "10"
    )
    digest: Annotated[Schedule | None, by(values.schedule_or_off)] = _setting(
        "post the figures of the time since the last digest to `APPROVAL_CHANNEL`, on this weekday or `daily`, at this"
        " time in this time zone: `mon 09:00 Asia/Phnom_Penh`",
        None,
        unset=values.OFF,
    )
    host: Annotated[str, by(values.host)] = _setting(
        "the address to listen on (the Dockerfile sets 0.0.0.0)", "127.0.0.1"
    )
    port: Annotated[int, by(values.whole_number(0, 65535))] = _setting(
        "the port of `/healthz`, `/readyz` and `/metrics`, and of `/slack/events` in HTTP mode", "3000"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        by(values.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", case=str.upper)),
    ] = _setting("`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`", "INFO")
    log_format: Annotated[Literal["console", "json"], by(values.one_of("console", "json", case=str.lower))] = _setting(
        "`console` or `json`", None, unset="console on a terminal, else json"
    )

    traces_to: Annotated[str | None, by(values.collector)] = _setting(
        "the OTLP collector that gets traces, such as `http://127.0.0.1:4318`; needs the extra `otel`",
        None,
        unset=values.OFF,
    )
    traces_with_ids: Annotated[bool, by(values.yes_or_no)] = _setting(
        "`true` if traces say which order and which person it was", "false"
    )

    @field_validator("approvals_required")
    @classmethod
    def _reachable(cls, value: int, info: ValidationInfo) -> int:
        # The size of a user group may change at any time, so only a list of people can be judged.
        approvers: People | None = info.data.get("approvers")
        if approvers is not None and not approvers.groups and value > len(approvers.users):
            raise ValueError(f"{value} approvals can never be reached: APPROVERS names {len(approvers.users)}")
        return value

    @field_validator("order_id_example")
    @classmethod
    def _fits(cls, value: str | None, info: ValidationInfo) -> str | None:
        pattern: re.Pattern[str] | None = info.data.get("order_id_pattern")
        if value is None or pattern is None:
            return EXAMPLE if pattern is not None and pattern.pattern == ORDER_ID else None
        if not is_order_id(pattern, value):
            raise ValueError(f"{shown(value)} does not match ORDER_ID_PATTERN, so it would mislead people")
        return value

    @field_validator("remind_after")
    @classmethod
    def _reminded_in_time(
        cls, value: tuple[timedelta, ...] | None, info: ValidationInfo
    ) -> tuple[timedelta, ...] | None:
        ttl: timedelta | None = info.data.get("approval_ttl")
        if value is None:
            # Nobody chose these, so those that come too late for a short APPROVAL_TTL are left out.
            return tuple(each for each in values.durations(_REMIND) if ttl is None or each < ttl)
        if ttl is not None and value and value[-1] >= ttl:
            raise ValueError(f"{values.written(value[-1])} is too late: {_expires(ttl)}")
        return value

    @field_validator("escalate_after")
    @classmethod
    def _escalated_in_time(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        ttl: timedelta | None = info.data.get("approval_ttl")
        if value is not None and ttl is not None and value >= ttl:
            raise ValueError(f"{values.written(value)} is too late: {_expires(ttl)}")
        return value

    @field_validator("escalate_to")
    @classmethod
    def _escalated_to_somebody(cls, value: People | None, info: ValidationInfo) -> People | None:
        # An ESCALATE_AFTER with a problem of its own is not in info.data, and needs no second line.
        after = info.data.get("escalate_after", ...)
        if value is None and isinstance(after, timedelta):
            raise ValueError("names nobody, but ESCALATE_AFTER is set; set both, or neither")
        if value is not None and after is None:
            raise ValueError("is set, but ESCALATE_AFTER is off; set both, or neither")
        return value

    @field_validator("digest")
    @classmethod
    def _posted_somewhere(cls, value: Schedule | None, info: ValidationInfo) -> Schedule | None:
        # An APPROVAL_CHANNEL with a problem of its own is not in info.data, and needs no second line.
        if value is not None and info.data.get("approval_channel", ...) is None:
            raise ValueError("is set, but APPROVAL_CHANNEL is not, so there is no channel for it; set both, or neither")
        return value

    @field_validator("log_format")
    @classmethod
    def _by_terminal(cls, value: str | None) -> str:
        return value or ("console" if sys.stderr.isatty() else "json")

    def started(self, version: str) -> Started:
        """Return the event of a start: the settings that decide who may do what and where it is sent, no secrets."""
        return Started(
            version=version,
            approvers=_ids(self.approvers),
            requesters=None if self.requesters is None else _ids(self.requesters),
            auditors=_ids(self.auditors),
            approvals_required=self.approvals_required,
            allow_self_approval=self.allow_self_approval,
            approval_ttl_seconds=int(self.approval_ttl.total_seconds()),
            approval_channel=self.approval_channel or "",
            allow_shared_channels=self.allow_shared_channels,
            order_id_pattern=self.order_id_pattern.pattern,
            dvpay_base_url=self.dvpay_base_url,
            dvpay_moved_from=self.dvpay_moved_from or "",
            escalate_after_seconds=int(self.escalate_after.total_seconds()) if self.escalate_after else 0,
            escalate_to=_ids(self.escalate_to) if self.escalate_to else (),
            reasons=self.reasons or (),
            reason_required=self.reason_required,
            record_key=key.public.text if (key := self.seals_with()) is not None else "",
        )

    def secrets(self) -> list[str]:
        """Return every secret in plain text, for ``bot.log`` to keep out of the log."""
        found = (getattr(self, name) for name in type(self).model_fields)
        plain = [value.get_secret_value() for value in found if isinstance(value, SecretStr)]
        return plain + (self.database.secrets() if isinstance(self.database, Server) else [])


def _expires(ttl: timedelta) -> str:
    return f"a request expires after {values.written(ttl)} (APPROVAL_TTL)"


def _ids(named: People) -> tuple[str, ...]:
    return tuple(sorted(named.users | named.groups))
