"""What is kept over a restart, and that no file can stop the workspace."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from opsbot.workspace.files import Files
from opsbot.workspace.settings import BOT_USER_ID, Keeping, WorkspaceSettings
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.state_errors import SlackError
from opsbot.workspace.state_reactions import bookmark, pin, react

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


def open_state(path: Path | None, **more: int) -> WorkspaceState:
    """A workspace that keeps its state at *path*."""
    return WorkspaceState(WorkspaceSettings("b", "a", "p", keeping=Keeping(path, **more)))


def uploaded(files: Files, content: bytes = PNG) -> str:
    """A file that is there; its id."""
    ticket, file_id = files.announce("chart.png", len(content), "load")
    files.receive(ticket, content)
    files.complete(file_id, "Load", "http://local")
    return file_id


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Channels, messages, threads, reactions, pins, bookmarks, files, Home tabs and read marks."""
    path = tmp_path / "workspace.sqlite"
    before = open_state(path)
    made = before.add_channel("war-room", is_private=True)
    before.join(made, "U0ONCALL")
    page = before.post(made, {"text": "page 🔥"}, user_id=BOT_USER_ID)
    before.post(made, {"text": "reply"}, user_id="U0ONCALL", thread_ts=page["ts"])
    react(before, made, page["ts"], "eyes", "U0ONCALL")
    pin(before, made, page["ts"], "U0ONCALL")
    bookmark(before, made, "Runbook", "https://runbooks.example", ":book:")
    before.update(made, page["ts"], {"text": "page, edited"})
    gone = before.post(made, {"text": "gone"}, user_id=BOT_USER_ID)
    before.delete(made, gone["ts"])
    before.publish_home("U0ONCALL", {"type": "home", "blocks": []})
    before.mark_read("U0ONCALL", made, page["ts"])
    file_id = uploaded(Files(before))
    last_ts = before.next_ts()
    before.close()

    after = open_state(path)
    found = after.channel("war-room")
    assert (found.is_private, found.members) == (True, [BOT_USER_ID, "U0ONCALL"])
    assert [message["text"] for message in found.messages] == ["page, edited", "reply"]
    assert found.messages == made.messages
    assert found.messages[0]["reactions"] == [{"name": "eyes", "users": ["U0ONCALL"], "count": 1}]
    assert (found.pins, found.bookmarks[0]["title"]) == ([page["ts"]], "Runbook")
    assert after.homes == {"U0ONCALL": {"type": "home", "blocks": []}}
    assert after.read == {"U0ONCALL": {made.channel_id: page["ts"]}}
    files = Files(after)
    assert (files.get(file_id)["title"], files.content(file_id)) == ("Load", PNG)
    assert float(after.next_ts()) > float(last_ts) - 1
    after.close()


def test_no_time_is_given_twice(tmp_path: Path) -> None:
    """However fast they are asked for, also after a restart: a message's time is its name."""
    path = tmp_path / "workspace.sqlite"
    state = open_state(path)
    times = [state.next_ts() for _ in range(20_000)]
    times.append(state.post(state.channel("ops"), {"text": "x"}, user_id="U0ONCALL")["ts"])
    state.close()
    again = open_state(path)
    times += [again.next_ts() for _ in range(100)]
    again.close()
    assert times == sorted(set(times))
    assert {len(ts) for ts in times} == {17}


def test_whoever_tells_of_a_change_has_it_kept(tmp_path: Path) -> None:
    """A message that was changed in place and told of, as by a press in the page."""
    path = tmp_path / "workspace.sqlite"
    before = open_state(path)
    channel = before.channel("ops")
    message = before.post(channel, {"text": "x"}, user_id="U0ONCALL")
    message["text"] = "y"
    before.tell({"type": "message", "channel": channel.channel_id, "message": message})
    before.tell({"type": "read", "user": "U0ONCALL", "channel": channel.channel_id, "ts": message["ts"]})
    before.close()
    after = open_state(path)
    assert after.channel("ops").messages[0]["text"] == "y"
    assert after.read == {"U0ONCALL": {"C0OPS": message["ts"]}}
    after.close()


def test_only_the_newest_messages_are_kept(tmp_path: Path) -> None:
    """Of each channel, in memory and on disk."""
    path = tmp_path / "workspace.sqlite"
    state = open_state(path, max_messages=3)
    for channel in ("ops", "incidents"):
        for number in range(5):
            state.post(state.channel(channel), {"text": str(number)}, user_id="U0ONCALL")
    assert [message["text"] for message in state.channel("ops").messages] == ["2", "3", "4"]
    state.close()
    again = open_state(path, max_messages=3)
    assert [message["text"] for message in again.channel("incidents").messages] == ["2", "3", "4"]
    again.close()


def test_only_the_newest_files_are_kept() -> None:
    """What all of them may take is bounded, and what one may take."""
    state = open_state(None, max_file_bytes=100, max_files_bytes=3 * len(PNG))
    files = Files(state)
    ids = [uploaded(files) for _ in range(5)]
    assert [file["id"] for file in files.list()] == ids[:1:-1]
    with pytest.raises(SlackError, match="file_not_found"):
        files.content(ids[0])
    with pytest.raises(SlackError, match="file_uploads_disabled"):
        files.announce("large.bin", 101, "")


def test_bytes_that_nobody_completes_make_room() -> None:
    """What waits never takes more than what is kept may."""
    state = open_state(None, max_files_bytes=2 * len(PNG))
    files = Files(state)
    announced = [files.announce(f"{number}.png", len(PNG), "") for number in range(3)]
    for ticket, _ in announced:
        files.receive(ticket, PNG)
    with pytest.raises(SlackError, match="file_not_found"):
        files.complete(announced[0][1], "", "http://local")
    assert files.complete(announced[2][1], "", "http://local")["name"] == "2.png"


@pytest.mark.parametrize("damage", ["no database", "damaged pages"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """The workspace begins anew, says so, and the damaged file is there to look at."""
    path = tmp_path / "workspace.sqlite"
    state = open_state(path)
    for number in range(200):
        state.post(state.channel("ops"), {"text": "x" * 500 + str(number)}, user_id="U0ONCALL")
    state.close()
    content = bytearray(path.read_bytes())
    if damage == "no database":
        content[:100] = b"\0" * 100
    else:
        content[8192:40960] = b"\xff" * 32768
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        again = open_state(path)
    assert again.store.is_lasting
    assert again.channel("ops").messages == []
    again.post(again.channel("ops"), {"text": "new"}, user_id="U0ONCALL")
    again.close()
    (aside,) = [found for found in tmp_path.glob("workspace.sqlite.damaged-*") if found.suffix != ".lock"]
    assert aside.name in caplog.text


def test_a_file_of_another_workspace_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second one works in memory and says so."""
    path = tmp_path / "workspace.sqlite"
    first, second = open_state(path), open_state(path)
    assert (first.store.is_lasting, second.store.is_lasting) == (True, False)
    assert "keeps nothing over a restart" in caplog.text
    second.post(second.channel("ops"), {"text": "x"}, user_id="U0ONCALL")
    first.close()
    second.close()


def test_a_disk_that_fails_later_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The workspace goes on in memory, with its files."""
    state = open_state(tmp_path / "workspace.sqlite")
    state.store._connection.execute("PRAGMA query_only = 1")
    for number in range(3):
        state.post(state.channel("ops"), {"text": str(number)}, user_id="U0ONCALL")
    files = Files(state)
    file_id = uploaded(files)
    assert len(state.channel("ops").messages) == 3
    assert files.content(file_id) == PNG
    assert caplog.text.count("keeps what happens in memory only") == 1
    state.close()


def test_text_of_any_kind_is_kept(tmp_path: Path) -> None:
    """Right-to-left, zero bytes, and halves of characters that no file can hold as they are."""
    path = tmp_path / "workspace.sqlite"
    texts = ["‮مرحبا", "a\0b", "\ud800", "'; DROP TABLE message; --"]
    state = open_state(path)
    for text in texts:
        state.post(state.channel("ops"), {"text": text}, user_id="U0ONCALL")
    state.close()
    again = open_state(path)
    assert [message["text"] for message in again.channel("ops").messages] == texts
    again.close()
