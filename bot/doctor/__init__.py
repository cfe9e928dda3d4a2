"""``doctor``: a check of everything that the bot needs, with a remedy for each problem."""

from bot.doctor.examine import examine
from bot.doctor.finding import Finding, Level, summary, to_json

__all__ = ["Finding", "Level", "examine", "summary", "to_json"]
