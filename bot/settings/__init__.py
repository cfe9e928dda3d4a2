"""The settings, read in this one place for the bot, the command line and ``doctor``."""

from bot.settings.environment import SettingsProblem, load, mistyped, table
from bot.settings.model import DatabaseSettings, RecordSettings, Settings
from bot.settings.network import load_network, not_read

__all__ = [
    "DatabaseSettings",
    "RecordSettings",
    "Settings",
    "SettingsProblem",
    "load",
    "load_network",
    "mistyped",
    "not_read",
    "table",
]
