"""Files through Slack's own client: sent in three steps, shown in messages and blocks, looked at by who may."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from opsbot.workspace.settings import Keeping
from tests.support.web_api import BOT_TOKEN, PAGE_TOKEN, Served, error_of, refused, served

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PAGE = {"X-Page-Token": PAGE_TOKEN}


@pytest.fixture
async def at() -> AsyncIterator[Served]:
    """A workspace."""
    async with served() as started:
        yield started


async def upload(at: Served, content: bytes = PNG, name: str = "load.png", **more: Any) -> dict[str, Any]:
    """Send a file as the SDK does; answers its description."""
    answer = await at.client.files_upload_v2(content=content, filename=name, **more)
    found: dict[str, Any] = answer["files"][0]
    return found


async def fetch(at: Served, path: str, **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers and body of a path of the workspace."""
    async with aiohttp.ClientSession() as session, session.get(f"{at.workspace.url}{path}", headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_file_is_sent_in_three_steps_and_stands_in_its_channel(at: Served) -> None:
    """With its comment, in a thread if asked for."""
    parent = (await at.client.chat_postMessage(channel="ops", text="page"))["ts"]
    file = await upload(
        at, channel="C0OPS", thread_ts=parent, title="Load", initial_comment="see", alt_txt="load rises"
    )
    (message,) = (await at.client.conversations_replies(channel="C0OPS", ts=parent))["messages"][1:]
    (shown,) = message["files"]
    assert (message["text"], message["thread_ts"], shown["id"]) == ("see", parent, file["id"])
    assert (shown["title"], shown["mimetype"], shown["size"]) == ("Load", "image/png", len(PNG))
    assert shown["alt_txt"] == "load rises"
    info = (await at.client.files_info(file=file["id"]))["file"]
    assert (info["channels"], info["shares"]["public"]["C0OPS"][0]["ts"]) == (["C0OPS"], message["ts"])


async def test_several_files_make_one_message(at: Served) -> None:
    """As the SDK sends them."""
    files = [{"content": PNG, "filename": f"{n}.png", "title": str(n)} for n in range(3)]
    await at.client.files_upload_v2(file_uploads=files, channel="C0INCIDENTS", initial_comment="three")
    (message,) = (await at.client.conversations_history(channel="C0INCIDENTS"))["messages"]
    assert [file["title"] for file in message["files"]] == ["0", "1", "2"]


async def test_a_file_of_no_channel_can_stand_in_blocks(at: Served) -> None:
    """By its id or its address, if it is an image."""
    file = await upload(at)
    image: dict[str, Any] = {"type": "image", "alt_text": "load", "slack_file": {"id": file["id"]}}
    await at.client.chat_postMessage(channel="ops", text="x", blocks=[image])
    by_url = {**image, "slack_file": {"url": file["url_private"]}}
    await at.client.chat_postMessage(channel="ops", text="x", blocks=[by_url])
    text = await upload(at, b"time,load", "load.csv")
    for wrong in (text["id"], "F9"):
        block = {**image, "slack_file": {"id": wrong}}
        answer = await refused(at.client.chat_postMessage(channel="ops", text="x", blocks=[block]))
        assert answer["errors"] == ["invalid slack file [json-pointer:/blocks/0/slack_file]"]


async def test_files_are_listed_and_deleted(at: Served) -> None:
    """By pages, the newest first; a message keeps saying that there was one."""
    ids = [(await upload(at, name=f"{n}.png", channel="C0OPS"))["id"] for n in range(3)]
    page = await at.client.files_list(count=2, page=2, channel="C0OPS")
    assert ([file["id"] for file in page["files"]], page["paging"]["total"]) == ([ids[0]], 3)
    await at.client.files_delete(file=ids[0])
    assert await error_of(at.client.files_info(file=ids[0])) == "file_not_found"
    assert await error_of(at.client.files_delete(file=ids[0])) == "file_not_found"
    oldest = at.workspace.state.channel("ops").messages[0]
    assert oldest["files"] == [{"id": ids[0], "mode": "tombstone"}]


async def test_looking_at_a_file_needs_a_token(at: Served) -> None:
    """The page's or the bot's; a browser shows it, and runs nothing in it."""
    file = await upload(at)
    path = f"/files/{file['id']}/load.png"
    assert (await fetch(at, path))[0] == 401
    assert (await fetch(at, path, Authorization="Bearer xoxb-other"))[0] == 401
    status, headers, body = await fetch(at, path, **PAGE)
    assert (status, body, headers["Content-Type"]) == (200, PNG, "image/png")
    assert (headers["Content-Disposition"], headers["X-Content-Type-Options"]) == ("inline", "nosniff")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert (await fetch(at, path, Authorization=f"Bearer {BOT_TOKEN}"))[2] == PNG
    assert (await fetch(at, "/files/F9/load.png", **PAGE))[0] == 404


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.png", b"<html><script>alert(1)</script></html>"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("../../page.html".replace("/", "_"), b"<script>alert(1)</script>"),
    ],
)
async def test_what_is_no_image_is_saved_and_never_shown(at: Served, name: str, content: bytes) -> None:
    """Whatever it is called."""
    file = await upload(at, content, name)
    status, headers, body = await fetch(at, f"/files/{file['id']}/x", **PAGE)
    assert (status, body) == (200, content)
    assert (headers["Content-Type"], headers["Content-Disposition"]) == ("application/octet-stream", "attachment")


async def test_a_ticket_takes_what_was_announced_once(at: Served) -> None:
    """Another number of bytes, a made up ticket, or a file that was completed: each is refused."""
    announced = await at.client.files_getUploadURLExternal(filename="a.png", length=len(PNG))
    file = {"id": announced["file_id"], "title": "a"}
    async with aiohttp.ClientSession() as session:
        assert await error_of(at.client.files_completeUploadExternal(files=[file])) == "file_not_found"
        assert (await session.post(announced["upload_url"], data=PNG[1:])).status == 400
        assert (await session.post(f"{at.workspace.url}/upload/made-up", data=PNG)).status == 404
        form = aiohttp.FormData()
        form.add_field("file", PNG, filename="a.png")
        assert (await session.post(announced["upload_url"], data=form)).status == 200
        await at.client.files_completeUploadExternal(files=[file])
        assert (await session.post(announced["upload_url"], data=PNG)).status == 404
    assert await error_of(at.client.files_completeUploadExternal(files=[file])) == "file_not_found"


async def test_a_file_goes_only_where_the_bot_may_post(at: Served) -> None:
    """And is not there if it may not."""
    announced = await at.client.files_getUploadURLExternal(filename="a.png", length=len(PNG))
    files = [{"id": announced["file_id"]}]
    async with aiohttp.ClientSession() as session:
        await session.post(announced["upload_url"], data=PNG)
    complete = at.client.files_completeUploadExternal
    assert await error_of(complete(files=files, channel_id="C9")) == "channel_not_found"
    assert await error_of(complete(files=files, channel_id="C0GENERAL")) == "not_in_channel"
    assert await error_of(complete(files=files, channel_id="C0OPS", thread_ts="1.0")) == "thread_not_found"
    assert (await at.client.files_list())["files"] == []
    assert (await complete(files=files, channel_id="C0OPS"))["ok"]


async def test_a_file_may_be_as_large_as_is_set() -> None:
    """Refused when it is announced, and when more comes than was announced."""
    async with served(keeping=Keeping(max_file_bytes=1000)) as at:
        announce = at.client.files_getUploadURLExternal
        assert await error_of(announce(filename="a.png", length=1001)) == "file_uploads_disabled"
        assert await error_of(announce(filename="a.png", length=0)) == "invalid_arguments"
        assert await error_of(announce(filename="a/b.png", length=10)) == "invalid_arguments"
        ok = await announce(filename="a.png", length=1000)
        async with aiohttp.ClientSession() as session:
            assert (await session.post(ok["upload_url"], data=io.BytesIO(b"x" * (6 << 20)))).status == 413
