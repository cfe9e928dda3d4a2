"""The first cancellation of a newcomer, with the installed bot and the sandbox's Slack and gateway.

Called with the example of an env file and the README's commands of the first run. It writes desk.env into the folder in
which it runs, checks it with doctor, starts the bot, cancels an order, scrapes the metrics and verifies the record.
"""

import asyncio
import json
import re
import shlex
import signal
import sys
from pathlib import Path

import aiohttp

from bot.sandbox.stage import Stage

_ORDER = "ord_1001"
_WITHIN = 30.0
_ENV_FILE = Path("desk.env")


def fill_in(example: str, settings: dict[str, str]) -> str:
    """Return the example with these values, each in the line of its setting."""
    for name, value in settings.items():
        lines = re.findall(rf"^#?{name}=.*$", example, re.MULTILINE)
        if len(lines) != 1:
            sys.exit(f"the example has {len(lines)} lines for {name}")
        example = example.replace(f"\n{lines[0]}\n", f"\n{name}={value}\n")
    return example


def write_settings(example: Path, settings: dict[str, str]) -> None:
    """Copy the example, fill it in, and keep it secret, as the README says."""
    _ENV_FILE.write_text(fill_in(example.read_text("utf-8"), settings), encoding="utf-8")
    _ENV_FILE.chmod(0o600)


async def doctor(command: list[str]) -> None:
    """Run doctor, and end with its report unless it finds no problem."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    report = (await process.communicate())[0].decode()
    last = report.splitlines()[-1] if report else ""
    if process.returncode or not last.startswith("0 problems"):
        sys.exit(f"{report}\ndoctor ended with {process.returncode}")
    print(f"doctor: {last}", flush=True)


class Running:
    """The bot in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            event = json.loads(line)
            if event["level"] in {"warning", "error"}:
                print(line.decode(), end="", flush=True)
            if event["event"] == "started":
                self._started.set_result(event["port"])
        if not self._started.done():
            self._started.set_exception(RuntimeError("the bot ended before it started"))

    async def get(self, path: str) -> tuple[int, str]:
        """Return what the bot answers on its own port."""
        url = f"http://127.0.0.1:{await self._started}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def ready(self) -> None:
        """Wait until it is ready."""
        while (await self.get("/readyz"))[0] != 200:  # noqa: ASYNC110, PLR2004 -- it is what a newcomer sees
            await asyncio.sleep(0.1)

    async def scraped(self, line: str) -> str:
        """Return this line of the metrics, as soon as it is there: the bot counts every two seconds."""
        while line not in (await self.get("/metrics"))[1].splitlines():  # noqa: ASYNC110 -- it is what Prometheus sees
            await asyncio.sleep(0.1)
        return line

    async def stop(self) -> None:
        """Stop it as a service does; fail unless it ends in order."""
        self._process.send_signal(signal.SIGTERM)
        if code := await self._process.wait():
            sys.exit(f"the bot ended with {code}")
        await self._reading


async def play(example: Path, commands: str) -> None:
    """Play the story. Raises TimeoutError if a step does not come."""
    check, run = [shlex.split(line, comments=True) for line in commands.splitlines() if line.strip()]
    async with Stage(Path("data/bot.db"), orders={_ORDER: "pending"}) as stage, asyncio.timeout(_WITHIN):
        write_settings(example, stage.environment())
        await doctor(check)
        bot = Running(await asyncio.create_subprocess_exec(*run, stderr=asyncio.subprocess.PIPE))
        await bot.ready()
        card = await stage.ask(_ORDER)
        await stage.ben.click(card, "approve")
        await stage.slack.space.changes.wait_for(lambda: "✅ Cancelled" in stage.ann.reads(card))
        print(f"gateway: {_ORDER} is {stage.gateway.orders[_ORDER].status}", flush=True)
        await doctor(check)
        print(await bot.scraped('cancel_desk_cancellations_total{cause="",end="cancelled"} 1.0'))
        await bot.stop()
    verify = await asyncio.create_subprocess_exec("cancel-desk", "--env-file", str(_ENV_FILE), "audit", "verify")
    sys.exit(await verify.wait())


if __name__ == "__main__":
    asyncio.run(play(Path(sys.argv[1]), sys.argv[2]))
