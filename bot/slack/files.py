"""Files by direct message.

Source: https://docs.slack.dev/messaging/working-with-files. The SDK's own method for the three calls holds the whole
file in memory.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import IO, TypeVar
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.network import Network, is_loopback
from bot.slack import answers
from bot.slack.errors import Problem, problem_of
from bot.slack.views.audit_file import FileWords

T = TypeVar("T")

_CHUNK = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=10, sock_read=60)


class FileNotSent(Exception):
    """A file did not reach its reader, or with an unclear problem perhaps did.

    ``passing`` is true where another try may reach them, without anybody's help.
    """

    def __init__(self, problem: Problem, *, passing: bool = False) -> None:
        super().__init__(problem.name)
        self.problem, self.passing = problem, passing


async def _nothing() -> None:
    return


async def send_file(
    client: AsyncWebClient,
    network: Network,
    user_id: str,
    file: IO[bytes],
    words: FileWords,
    *,
    before_anybody_sees_it: Callable[[], Awaitable[None]] = _nothing,
) -> str:
    """Bring a file to a person's direct messages with the bot, and return their channel. Raises FileNotSent.

    Nobody sees a file before the last call, so only that one can leave a doubt.
    """
    length = file.seek(0, 2)
    # This call takes no person's id in place of a channel's: https://github.com/slackapi/bolt-js/issues/2115
    channel = await _answered(answers.direct_channel(client, user_id))
    url, file_id = await _answered(_place(client, words.name, length))
    await _answered(_upload(network, url, file, length))
    await before_anybody_sees_it()
    await _answered(_complete(client, channel, file_id, words), is_last=True)
    return channel


async def _place(client: AsyncWebClient, name: str, length: int) -> tuple[str, str]:
    """Return the address that takes the file, and the file's id."""
    place = await client.files_getUploadURLExternal(filename=name, length=length)
    return answers.text(place.get("upload_url")), answers.text(place.get("file_id"))


async def _complete(client: AsyncWebClient, channel: str, file_id: str, words: FileWords) -> None:
    """Let the person see the file."""
    files: list[dict[str, str | None]] = [{"id": file_id, "title": words.title}]
    answer = await client.files_completeUploadExternal(files=files, channel_id=channel, initial_comment=words.comment)
    shared = answer.get("files")
    if not isinstance(shared, list) or not any(isinstance(each, dict) and each.get("id") == file_id for each in shared):
        raise answers.UnreadableAnswerError


async def _answered(call: Awaitable[T], *, is_last: bool = False) -> T:
    try:
        return await call
    except FileNotSent:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it was, the person reads that they have no file
        problem = problem_of(error)
        cause = replace(problem, unclear=problem.unclear and is_last)
        raise FileNotSent(cause, passing=not problem.refusal) from None


async def _upload(network: Network, url: str, file: IO[bytes], length: int) -> None:
    address = urlsplit(url)
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        raise FileNotSent(Problem("address_not_secure", unclear=False))
    headers = {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        session.post(
            url,
            data=_chunks(file),
            headers=headers,
            ssl=network.tls,
            proxy=network.proxy_for(url),
            allow_redirects=False,
        ) as answer,
    ):
        if answer.status != HTTPStatus.OK:
            passing = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS
            raise FileNotSent(Problem(f"http_{answer.status}", unclear=False), passing=passing)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk
