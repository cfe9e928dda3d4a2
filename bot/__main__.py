"""The command line as ``python -m bot``, also where nothing is installed yet."""

import sys

_MISSING = (
    "Cancel Desk lacks the package {}. Install what it needs:"
    " python -m pip install --require-hashes --only-binary :all: --requirement requirements.txt"
)

if sys.version_info < (3, 11):  # noqa: UP036 -- this file runs before anything has checked it
    sys.exit(f"Cancel Desk needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}.")
try:
    from bot.cli import main

    main()
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] == "bot":
        raise
    sys.exit(_MISSING.format(error.name))
