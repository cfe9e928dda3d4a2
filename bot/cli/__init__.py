"""The command line, one file for each group of commands.

Heavy imports are inside the commands, so that ``--help`` is quick.
"""

import click

from bot import __version__
from bot.cli import backup, doctor, erase, freeze, migrate, move, reading, record, report, run, sandbox
from bot.cli.env_file import VARIABLE, env_file_option
from bot.cli.terminal import CommandLine


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@env_file_option(envvar=VARIABLE)
def main() -> None:
    """Cancel orders after a second person has approved, and keep a record of who cancelled what and why."""


for command in (
    run.run,
    doctor.doctor,
    record.audit,
    record.record,
    backup.backup,
    backup.restore,
    migrate.migrate,
    move.move,
    report.report,
    erase.erase,
    freeze.freeze,
    freeze.unfreeze,
    sandbox.demo,
    sandbox.playground,
):
    main.add_command(command)
for reader in (reading.find, reading.export, reading.follow):
    record.audit.add_command(reader)
