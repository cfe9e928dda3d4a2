"""Follow the README as a newcomer does: an empty environment, its own lines, a first cancellation in the sandbox.

It needs Python 3.11 or newer as python3, git, bash, and a package index. Nothing of this checkout's .venv is used.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_KEPT = re.compile(r"PIP_.*|SSL_CERT_.*|(HTTPS?|ALL|NO)_PROXY|LANG|LC_.*|TMPDIR", re.IGNORECASE)
"""Variables of the machine that pip and the network may need; all others are the developer's own."""


def shell_lines(heading: str) -> list[str]:
    """Return the blocks of shell commands that the README has under this heading, without their indentation."""
    _, _, rest = (ROOT / "README.md").read_text("utf-8").partition(f"\n## {heading}\n")
    part = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^( *)```sh\n(.*?)^\1```$", part, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def install(home: Path, checkout: Path) -> None:
    """Copy what is in version control, and run the README's first block there."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_bytes((ROOT / name).read_bytes())
    commands = shell_lines("Install")[0]
    print(commands, end="", flush=True)
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=checkout, env=environment(home), check=True)


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a new user."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    # Without the folder of an active environment, python3 is the machine's own.
    paths = [each for each in os.environ["PATH"].split(os.pathsep) if ".venv" not in each]
    return kept | {"HOME": str(home), "PATH": os.pathsep.join(paths)}


def main() -> None:
    """Install into an empty home, then let the installed bot play its first cancellation in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        home, checkout, work = (Path(folder) / name for name in ("home", "checkout", "work"))
        for each in (home, checkout, work):
            each.mkdir()
        install(home, checkout)
        [commands] = [block for block in shell_lines("First run") if block.startswith("python -m bot doctor")]
        programs = home / "cancel-desk" / "bin"
        story = [
            str(programs / "python"),
            str(ROOT / ".ci" / "newcomer_story.py"),
            str(checkout / "desk.env.example"),
            commands,
        ]
        new = environment(home)
        new["PATH"] = f"{programs}{os.pathsep}{new['PATH']}"
        sys.exit(subprocess.run(story, cwd=work, env=new, check=False).returncode)


if __name__ == "__main__":
    main()
