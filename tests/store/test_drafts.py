"""Files that appear under their name only when they are whole."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.store.drafts import draft, publish

ROOT = Path(__file__).parents[2]
WRITES = """
import pathlib, signal, sys
from bot.store.drafts import draft
with draft(pathlib.Path(sys.argv[1])) as path:
    path.write_text("half")
    print("writing", flush=True)
    signal.pause()
"""


def test_a_draft_is_private_and_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Until then there is nothing under the name, and afterwards nothing beside it."""
    target = tmp_path / "file"
    with draft(target) as path:
        path.write_text("whole")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not target.exists()
        publish(path, target)
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_draft_that_fails_is_gone(tmp_path: Path) -> None:
    """The error stays, the file does not."""
    with pytest.raises(FileNotFoundError), draft(tmp_path / "file") as path:
        path.rename(tmp_path / "nowhere" / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("with_links", [True, False])
def test_no_name_is_taken_from_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_links: bool) -> None:
    """That holds also where the file system has no hard links."""
    if not with_links:

        def no_links(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", no_links)
    (taken := tmp_path / "taken").write_text("mine")
    with draft(taken) as path:
        path.write_text("whole")
        with pytest.raises(FileExistsError):
            publish(path, taken)
        publish(path, tmp_path / "free")
    assert (taken.read_text(), (tmp_path / "free").read_text()) == ("mine", "whole")


def test_what_a_killed_process_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    """While it still writes, its draft stays."""
    environ = {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITES, str(tmp_path / "file")]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with draft(tmp_path / "other"):
            pass
        [left] = tmp_path.iterdir()
        assert (left / "draft").read_text() == "half"
        process.send_signal(signal.SIGKILL)
    with draft(tmp_path / "other"):
        pass
    assert list(tmp_path.iterdir()) == []
