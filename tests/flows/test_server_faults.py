"""Settings that are wrong and faults of a database server: each is told in one line that names the way out."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

import aiohttp
import pytest
from pydantic import SecretStr

from bot.app import Bot
from bot.settings import load
from bot.store import Store, StoreError, StoreProblem
from bot.store.place import Server
from bot.wording import store_error
from tests.flows.desk import Desk, quick_tuning
from tests.postgres import Cluster, cluster, free_port
from tests.store.wire import wire

PASSWORD = "hunter2-and-more"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """Yield a server that asks the role "desk" for a password."""
    with cluster() as own:
        with own.connect() as other:
            other.execute(f"CREATE ROLE desk LOGIN PASSWORD '{PASSWORD}'".encode())
            rules = own.folder / "data" / "pg_hba.conf"
            rules.write_text("host all desk 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            other.execute("SELECT pg_reload_conf()")
        yield own


async def told(url: str) -> tuple[StoreProblem, str]:
    """Return the problem of a start with this address, and what the operator reads."""
    store = Store(Server(SecretStr(url)))
    with pytest.raises(StoreError) as failed:
        await store.open()
    await store.close()
    line = store_error(failed.value)
    assert "\n" not in line
    return failed.value.problem, line


async def test_a_wrong_password_is_told_without_the_password(guarded: Cluster) -> None:
    """It names the setting, and no part of what was tried."""
    url = guarded.url("postgres", f"desk:{PASSWORD}x")
    problem, line = await told(url)
    assert problem is StoreProblem.SERVER_REFUSES
    assert "password authentication failed" in line
    assert "Check the user, the password" in line
    assert PASSWORD not in line


async def test_a_server_without_tls_is_told(guarded: Cluster) -> None:
    """The bot sends no password where nobody proves to be the server."""
    problem, line = await told(f"{guarded.url('postgres', f'desk:{PASSWORD}')}?sslmode=verify-full&sslrootcert=system")
    assert problem is StoreProblem.SERVER_REFUSES
    assert "server does not support SSL" in line
    assert "the certificate in DATABASE_URL" in line
    assert PASSWORD not in line


async def test_an_old_server_is_told_with_its_version(guarded: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is the server's own word; here it is the bot that asks for one of the future."""
    monkeypatch.setattr("bot.store.postgres.OLDEST", 990000)
    with guarded.connect() as other:
        version = str(other.info.parameter_status("server_version"))
    problem, line = await told(guarded.url("postgres"))
    assert problem is StoreProblem.OLD_SERVER
    assert version in line
    assert "The bot needs PostgreSQL 13 or newer" in line


async def test_a_standby_is_told_and_waited_for(postgres: Cluster) -> None:
    """The server answers, so nobody is sent to look whether it runs; and it may become the primary."""
    server = postgres.new()
    name = server.url.get_secret_value().rpartition("/")[2]
    with postgres.connect() as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    async with Desk(server) as desk:
        port = free_port()
        bot = Bot(load(desk.environment(PORT=str(port))), quick_tuning())
        starting = asyncio.create_task(bot.start())
        try:
            status, body = await ready_says(port, "takes no writes")
            assert status == HTTPStatus.SERVICE_UNAVAILABLE
            assert "Name the primary in DATABASE_URL" in body
            with postgres.connect() as other:
                other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
                postgres.end_connections(server)
            async with asyncio.timeout(40):
                await starting
        finally:
            await asyncio.wait([starting])
            await bot.stop()
    problem, _ = await told_read_only(postgres, server)
    assert problem is StoreProblem.STANDBY


async def told_read_only(postgres: Cluster, server: Server) -> tuple[StoreProblem, str]:
    """Return what is told where the address asks for a server that takes writes, and there is none."""
    name = server.url.get_secret_value().rpartition("/")[2]
    with postgres.connect() as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    return await told(f"{server.url.get_secret_value()}?target_session_attrs=read-write")


async def test_a_full_disk_of_the_server_is_told_and_passes(postgres: Cluster) -> None:
    """The bot stays, says where room is missing, and goes on once there is some."""
    server = postgres.new()
    name = server.url.get_secret_value().rpartition("/")[2]
    async with Desk(server) as desk:
        bot = await desk.start_bot()
        with postgres.connect(name) as other:
            # In the server's own error: what a trigger raises comes to the bot as what the file system raises.
            other.execute(
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
                " 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = '53100'; END $$"
            )
            other.execute("CREATE TRIGGER no_room BEFORE UPDATE OR INSERT ON heartbeat EXECUTE FUNCTION no_room()")
            status, body = await ready_says(bot.port, "no room left")
            assert status == HTTPStatus.SERVICE_UNAVAILABLE
            assert "Free some space on the server's disk" in body
            other.execute("DROP TRIGGER no_room ON heartbeat")
        async with asyncio.timeout(10):
            while bot.readiness().missing:  # noqa: ASYNC110 -- the bot looks at its own pace
                await asyncio.sleep(0.01)


async def test_a_server_lost_later_is_told_at_once(postgres: Cluster) -> None:
    """No question to the bot waits for the server, and the bot is ready again as soon as it is back."""
    server = postgres.new()
    name = server.url.get_secret_value().rpartition("/")[2]
    with wire(postgres.port) as broken:
        async with Desk(Server(SecretStr(postgres.url(name, port=broken.port)))) as desk:
            bot = await desk.start_bot()
            assert (await ready(bot.port))[0] == HTTPStatus.OK
            broken.cut(down=True)
            status, body = await ready_says(bot.port, "the database server does not answer")
            assert status == HTTPStatus.SERVICE_UNAVAILABLE
            assert "Check that PostgreSQL runs and can be reached" in body
            broken.down = False
            async with asyncio.timeout(10):
                while (await ready(bot.port))[0] != HTTPStatus.OK:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def ready(port: int) -> tuple[int, str]:
    """Return what /readyz answers within a second; it hangs for nothing."""
    timeout = aiohttp.ClientTimeout(total=1)
    url = f"http://127.0.0.1:{port}/readyz"
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def ready_says(port: int, words: str) -> tuple[int, str]:
    """Return what /readyz answers as soon as it says this."""
    async with asyncio.timeout(10):
        while True:
            try:
                found = await ready(port)
            except aiohttp.ClientConnectorError:  # it does not listen yet
                found = (0, "")
            if words in found[1]:
                return found
            await asyncio.sleep(0.01)
