"""The settings, read in this one place for the bot, the command line and ``doctor``."""

from bot.settings.env_file import example, read_env_file
from bot.settings.environment import SettingsProblem, load, mistyped, table
from bot.settings.model import DatabaseSettings, RecordSettings, Settings, WritingSettings
from bot.settings.network import load_network, not_read

__all__ = [
    "DatabaseSettings",
    "RecordSettings",
    "Settings",
    "SettingsProblem",
    "WritingSettings",
    "example",
    "load",
    "load_network",
    "mistyped",
    "not_read",
    "read_env_file",
    "table",
]
