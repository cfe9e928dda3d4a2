"""The documentation and the code say the same."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bot.cli import main
from bot.cli.env_file import VARIABLE
from bot.domain.cancellation import NEXT, OPEN, State
from bot.domain.events import KINDS
from bot.settings import SettingsProblem, load, table
from bot.slack.scopes import SCOPES

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
)


def read(document: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / document).read_text("utf-8")


def part(document: str, heading: str) -> str:
    """Return what a document says under a heading, up to the next one of any level."""
    _, found, rest = read(document).partition(f"{heading}\n")
    assert found, f"{document} has no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> list[list[list[str]]]:
    """Return the rows of each table, without its heading and without code marks."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [
        [[plain(cell) for cell in line.strip("|").split(" | ")] for line in rows.splitlines()[2:]] for rows in found
    ]


def rows_below(document: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading."""
    return tables(part(document, heading))[0]


def plain(text: str) -> str:
    """Return a text without code marks and the spaces around it."""
    return text.replace("`", "").strip()


def prose(document: str) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", read(document), flags=re.MULTILINE | re.DOTALL)


def anchors(document: str) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    """Return every command of the command line under its full name."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found |= commands(command, f"{path}{name} ") if isinstance(command, click.Group) else {f"{path}{name}": command}
    return found


def tree() -> list[str]:
    """Return every path of the tree in the architecture page, folders with a slash at the end."""
    drawn = re.search(r"```\n(bot/\n.*?)```", read("docs/architecture.md"), re.DOTALL)
    assert drawn is not None
    paths: list[str] = []
    above: list[str] = []
    for line in drawn[1].splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        above = [*above[:depth], name]
        paths.append("".join(above))
    return paths


def steps(document: str) -> set[tuple[str, str]]:
    """Return the arrows of a document's diagram of states."""
    drawn = re.search(r"```mermaid\n(.*?)```", read(document), re.DOTALL)
    assert drawn is not None
    return set(re.findall(r'^ *(\w+) -- ".*" --> (\w+)$', drawn[1], re.MULTILINE))


# --- settings and commands --------------------------------------------------------------------------


def test_every_setting_is_described_as_it_is() -> None:
    """The table of settings is the one in the code: names, defaults and meanings."""
    assert rows_below("docs/operating.md", "## Settings") == [[plain(cell) for cell in row] for row in table()]


def test_the_settings_that_can_be_in_files_are_named() -> None:
    """The page lists exactly the variables with ``_FILE`` that the bot reads."""
    names = [f"{name}_FILE" for name, _, _ in table()]
    with pytest.raises(SettingsProblem) as caught:
        load(dict.fromkeys(names, "/nowhere"))
    read_from_files = {name for name in names if any(name in problem for problem in caught.value.problems)}
    named = set(re.findall(r"`([A-Z_]+_FILE)`", part("docs/operating.md", "## Settings")))
    assert named - {VARIABLE} == read_from_files


def test_every_command_is_documented_and_exists() -> None:
    """The table of commands is complete, and no command in it is made up."""
    documented = {re.sub(r" [A-Z\[].*", "", row[0]) for row in rows_below("docs/operating.md", "## Commands")}
    assert documented == commands(main).keys()


def test_every_option_is_documented_and_exists() -> None:
    """Each command's row names its options, and no other."""
    documented = {
        re.sub(r" [A-Z\[].*", "", command): set(options.replace(",", " ").split())
        for command, _, options in rows_below("docs/operating.md", "## Commands")
    }
    options = {
        name: {
            flag
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for flag in (*parameter.opts, *parameter.secondary_opts)
            if flag.startswith("--")
        }
        for name, command in commands(main).items()
    }
    assert documented == options


def test_the_options_before_a_command_are_documented() -> None:
    """The options of the command line as a whole, and the variable that stands for one, are on the page."""
    options = [each for each in main.params if isinstance(each, click.Option)]
    flags = {each.opts[0] for each in options} | {"--help"}
    variables = {str(each.envvar) for each in options if each.envvar}
    assert {word for word in flags | variables if f"`{word}" not in read("docs/operating.md")} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_command_is_made_up(document: str) -> None:
    """Every ``python -m bot`` in a document names a command that exists, with options that it has."""
    known = commands(main)
    for line in re.findall(r"python -m bot (?:--env-file \S+ )?([a-z][^`\n#]*)", read(document)):
        words = line.split()
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
        assert name is not None, line
        flags = {word for word in words if word.startswith("--")}
        assert flags <= {flag for parameter in known[name].params for flag in parameter.opts}, line


def test_the_bot_without_settings_says_what_is_missing() -> None:
    """Each required setting has one line; the exit code is 2, and there is no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "run"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    required = {name for name, default, _ in table() if default == "required"}
    assert {line.partition(":")[0] for line in ended.stderr.splitlines()} >= required | {
        "SLACK_BOT_TOKEN",
        "DVPAY_API_KEY",
        "APPROVERS",
    }


# --- what people see ----------------------------------------------------------------------------------


def test_every_state_is_explained() -> None:
    """Each state has its row with the meaning and what to do."""
    explained = rows_below("docs/using.md", "## What each outcome means")
    assert [row[0] for row in explained] == list(State)
    assert all(cell for row in explained for cell in row)


def test_the_diagram_of_states_is_complete() -> None:
    """The glossary draws every step that may be taken, and no other."""
    assert steps("docs/glossary.md") == {(state, after) for state, following in NEXT.items() for after in following}


def test_the_open_states_are_named() -> None:
    """The glossary names the states that block another request for the same order."""
    [sentence] = re.findall(r"^(.*) are open:", read("docs/glossary.md"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == OPEN


def test_the_page_for_agents_needs_no_technical_word() -> None:
    """Support agents read no name of a setting, no HTTP and no JSON."""
    text = read("docs/using.md")
    assert [word for word in [*(name for name, _, _ in table()), "HTTP", "JSON", "API"] if word in text] == []


def test_every_kind_of_event_is_documented() -> None:
    """The page about the record lists every kind of event, in the order of the code."""
    kinds = tables(part("docs/record.md", "## What is on record"))[1]
    assert [row[0] for row in kinds] == list(KINDS)


def test_every_scope_is_documented_with_its_reason() -> None:
    """The table of scopes is the one in the code."""
    assert {row[0]: row[1] for row in rows_below("docs/security.md", "## Slack scopes")} == SCOPES


def test_the_log_events_to_watch_exist() -> None:
    """Each log event that the operator is to watch is written somewhere, at the level that the page gives."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.py"))
    calls = {"ERROR": r"\.(?:error|exception)|_failure\(log, ", "WARNING": r"\.warning", "INFO": r"\.info"}
    watched = rows_below("docs/operating.md", "## Logs")
    assert watched
    # Some lines choose their level: ``name, level = "…", log.warning``.
    chosen = r"(?: if [\w.]+ else log\.\w+\))?"
    made_by_hand = 'event = {"event": '
    ways = [(row, rf'(?:log(?:{calls[row[1]]}){chosen}(?:\(\s*)?|{made_by_hand})"{row[0]}"') for row in watched]
    assert [row[0] for row, way in ways if not re.search(way, code)] == []


# --- files, links and targets -------------------------------------------------------------------------


def test_every_warning_and_error_of_the_log_is_explained() -> None:
    """The engineer who finds one at night reads what it means."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.py"))
    logged = set(re.findall(r"""\blog(?:\.(?:error|warning|exception)\(\s*|_failure\(log, )"(\w+)""", code))
    assert logged
    assert {event for event in logged if f"`{event}`" not in read("docs/operating.md")} == set()


def logged_fields() -> dict[str, set[str]]:
    """Return the fields that the bot logs, each with the calls that have it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or "sandbox" in path.parts:
                continue
            called = ast.unparse(node.func)
            if re.fullmatch(r"log\.(info|warning|error|exception|bind)|log_failure|log_soon", called):
                named = ast.unparse(node)
                for keyword in node.keywords:
                    if keyword.arg not in {None, "exc_info"}:
                        found.setdefault(str(keyword.arg), set()).add(named)
    return found


def test_every_field_of_the_log_is_documented() -> None:
    """Whoever searches the log by a field finds all lines that are about the same."""
    documented = {name.strip() for row in rows_below("docs/operating.md", "### Fields") for name in row[0].split(",")}
    assert documented == logged_fields().keys() | {"count", "about", "exception", "trace"}


def test_no_field_of_the_log_shadows_what_every_line_has() -> None:
    """The headline of a line is its name; ``message`` is the headline of other programs, and of log viewers."""
    assert logged_fields().keys() & {"event", "level", "logger", "timestamp", "message", "msg", "time"} == set()


def test_the_names_of_log_lines_have_one_tense() -> None:
    """What happened is told as past, not as going on."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.py"))
    names = re.findall(r"""log\.(?:info|warning|error)\(\s*"(\w+)""", code)
    assert {"started", "stopped", "answered", "delivery_blocked"} <= set(names)
    no_verbs = {"slack_scopes_missing", "setting_in_doubt"}
    assert [name for name in names if re.search(r"ing(_|$)", name) and name not in no_verbs] == []


def test_the_readme_is_short() -> None:
    """A newcomer can read the README in a few minutes."""
    assert len(read("README.md").splitlines()) < 120


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Every relative link of a document leads to a file of the repository, and its anchor to a heading."""
    links = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.resolve().is_relative_to(ROOT.resolve()), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(str(target.resolve().relative_to(ROOT.resolve()))), link


def test_every_page_is_linked_from_the_readme() -> None:
    """A reader reaches every document from the README."""
    assert [
        document for document in DOCUMENTS if document != "README.md" and f"]({document})" not in read("README.md")
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    """Every file and folder that a document names in code marks is there."""
    named = re.findall(r"`((?:bot|tests|docs)/[\w./-]*)`", read(document))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_of_our_modules_exist(document: str) -> None:
    """Every attribute that a document names behind one of our classes or modules is in the code."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.py"))
    for owner, name in re.findall(r"`(Workflow|Settings|decisions)\.(\w+)`", read(document)):
        assert re.search(rf"def {name}\b", code), f"{owner}.{name}"


def test_the_readme_says_how_to_try_it() -> None:
    """The README's two commands to try it, and the developer's commands, are given."""
    assert {"make demo", "make playground"} <= set(re.findall(r"make [a-z]+", part("README.md", "## Try it")))
    assert {"make demo", "make test", "make check"} <= set(re.findall(r"make [a-z]+", read("CONTRIBUTING.md")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    """Every ``make`` command of a document is in the Makefile."""
    makefile = read("Makefile")
    for target in re.findall(r"(?:`|^)make ([a-z]+)", read(document), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_make_target_is_documented() -> None:
    """CONTRIBUTING.md lists every target but ``help``."""
    targets = re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)[0].split()
    documented = [row[0].removeprefix("make ") for row in rows_below("CONTRIBUTING.md", "## Set-up")]
    assert set(documented) == set(targets) - {"help"}


def test_the_house_is_drawn_as_it_is() -> None:
    """The tree is complete, but for the insides of the sandbox, and names only paths that exist."""
    drawn = tree()
    assert [path for path in drawn if not (ROOT / path).exists() or path.endswith("/") != (ROOT / path).is_dir()] == []
    missing = [
        name
        for path in (ROOT / "bot").rglob("*.py")
        if path.name != "__init__.py"
        and not (name := str(path.relative_to(ROOT))).startswith("bot/sandbox/")
        and name not in drawn
    ]
    assert missing == []


def test_every_package_is_in_the_tree() -> None:
    """A newcomer finds every package of the bot in the tree."""
    packages = {f"{path.parent.relative_to(ROOT)}/" for path in (ROOT / "bot").rglob("__init__.py")}
    assert packages <= set(tree())


def test_imports_run_one_way() -> None:
    """No package imports one that comes before it in the documented direction."""
    drawn = re.search(r"^cli → .*$", read("docs/architecture.md"), re.MULTILINE)
    assert drawn is not None
    before: set[str] = set()
    upward: list[tuple[str, str]] = []
    for level in drawn[0].split("→"):
        names = set(re.findall(r"\w+", level))
        files = [path for name in names for path in (ROOT / "bot").glob(f"{name}{'.py' * (name == 'app')}")]
        for file in [path for each in files for path in ([each] if each.is_file() else each.rglob("*.py"))]:
            imported = re.findall(r"^ *(?:from|import) bot\.(\w+)", file.read_text("utf-8"), re.MULTILINE)
            upward += [(file.name, name) for name in imported if name in before]
        before |= names
    assert upward == []
