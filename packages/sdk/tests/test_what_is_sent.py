"""Claims about `python -m ensign_sdk --what-is-sent`: what it prints is what leaves, byte for byte."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from ensign_sdk._internal.transcript import Transcript
from hypothesis import given
from hypothesis import strategies as st

TOKEN = "a:b.very-secret"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ensign_sdk", "--what-is-sent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def pieces(printed: str) -> list[bytes]:
    """The bytes of each piece, put together again from what was printed."""
    found = []
    for size, lines in re.findall(r"^--- (\d+) bytes leave\n((?:> .*\n)*)", printed, re.MULTILINE):
        text = "\r\n".join(line[2:] for line in lines.splitlines())
        piece = text.encode().decode("unicode_escape").encode("latin-1")
        assert len(piece) == int(size)
        found.append(piece)
    return found


class Recorder:
    """A TCP server that keeps every byte of every connection, and answers as a server with one flag does."""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                kept = bytearray()
                self.received.append(kept)
                threading.Thread(target=self._serve, args=(client, kept), daemon=True).start()

    def _serve(self, client: socket.socket, kept: bytearray) -> None:
        answered = 0
        with client, suppress(OSError):
            while data := client.recv(65_536):
                kept += data
                head, _, body = bytes(kept[answered:]).partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                if not head or len(body) < (int(length[1]) if length else 0):
                    continue
                answered = len(kept)
                document = b'{"version":2,"features":[{"name":"menu","enabled":true,"strategies":[]}]}'
                status, answer = (b"202 Accepted", b"") if head.startswith(b"POST") else (b"200 OK", document)
                size = str(len(answer)).encode()
                client.sendall(b"HTTP/1.1 %b\r\nContent-Length: %b\r\n\r\n%b" % (status, size, answer))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def test_the_bytes_that_are_printed_are_those_that_arrive_and_no_others(recorder: Recorder) -> None:
    done = run("--url", recorder.url, "--token", TOKEN, "--flag", "menu", "--context", '{"userId":"ada lovelace"}')
    assert done.returncode == 0, done.stderr
    printed = pieces(done.stdout)
    arrived = [bytes(one).replace(TOKEN.encode(), b"<token>") for one in recorder.received]
    assert sum(map(len, printed)) == sum(map(len, arrived)) > 1_000
    for connection in arrived:
        rest = connection
        while rest:
            piece = next(one for one in printed if rest.startswith(one))
            printed.remove(piece)
            rest = rest[len(piece) :]
    assert printed == []
    assert "very-secret" not in done.stdout
    assert all(TOKEN.encode() in one for one in recorder.received)
    assert b"lovelace" not in b"".join(arrived)


def test_it_shows_every_request_and_no_attribute_of_the_context() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    for request in ("GET /api/client/streaming", "POST /api/client/register", "POST /api/client/metrics",
                    "POST /api/client/applied"):  # fmt: skip
        assert done.stdout.count(request) == 1
    sent = b"".join(pieces(done.stdout))
    assert b"ada@" not in sent
    assert b"203.0.113.9" not in sent
    assert b'"example":{"yes"' in sent
    assert f"that was all: 4 requests, {len(sent)} bytes" in done.stdout
    assert "no value of the context is among them (userId, remoteAddress, plan)" in done.stdout


def test_a_value_that_is_sent_after_all_is_named() -> None:
    for name in ("checkout-of-ada", "Åsas butik"):
        done = run("--app-name", name, "--context", json.dumps({"userId": name, "other": True}))
        assert done.returncode == 1
        assert "values of the context are among them: userId" in done.stdout


def test_bad_arguments_are_explained() -> None:
    for arguments, says in (
        (("--url", "nonsense", "--token", "t"), "must look like"),
        (("--url", "http://localhost"), "--token"),
        (("--context", "{"), "not JSON"),
        (("--context", "[]"), "JSON object"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert says in done.stderr


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_whatever_bytes_leave_can_be_put_together_again(sent: list[bytes]) -> None:
    written: list[str] = []
    transcript = Transcript(written.append)
    for piece in sent:
        transcript.say("a remark")
        transcript.show(piece)
    assert pieces("".join(written)) == sent
