"""The settings, read in this one place for the bot, the command line and ``doctor``."""

from bot.settings.environment import SettingsProblem, load, table
from bot.settings.model import DatabaseSettings, RecordSettings, Settings

__all__ = ["DatabaseSettings", "RecordSettings", "Settings", "SettingsProblem", "load", "table"]
