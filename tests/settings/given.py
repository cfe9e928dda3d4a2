"""Settings made from the required variables with changes, for the tests of this folder."""

import pytest

from bot.settings import Settings, SettingsProblem, load

REQUIRED = {
    "SLACK_BOT_TOKEN": "xoxb-b0t",
    "SLACK_APP_TOKEN": "xapp-4pp",
    "DVPAY_API_KEY": "k3y",
    "APPROVERS": "U01,U02,U03",
}
SECRETS = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DVPAY_API_KEY", "DVPAY_APP_ID")


def given_that(**changed: str | None) -> Settings:
    """Return the settings that the required variables give with these changes; None leaves a variable out."""
    environ: dict[str, str | None] = {**REQUIRED, **changed}
    return load({name: value for name, value in environ.items() if value is not None})


def problems(**changed: str | None) -> list[str]:
    """Return the problems of the required variables with these changes, one line each."""
    with pytest.raises(SettingsProblem) as caught:
        given_that(**changed)
    return caught.value.problems
