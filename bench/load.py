"""Load on a server over loopback, by `wrk`: ten connections, one request after the other on each."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONNECTIONS = 10
USERS = 100_000
"""`{n}` in a path or body stands for a number below this, another for each request."""

_SCRIPT = """
local method, path, body = {method}, {path}, {body}
local n = 0
for name, value in pairs({headers}) do wrk.headers[name] = value end
local fixed = nil
request = function()
  if not {varies} then
    if not fixed then fixed = wrk.format(method, path, nil, body) end
    return fixed
  end
  n = (n + 7919) % {users}
  return wrk.format(method, (path:gsub("{{n}}", n)), nil, body and (body:gsub("{{n}}", n)) or nil)
end
done = function(summary, latency, _)
  local e = summary.errors
  io.write('RESULT ', string.format(
    '{{"requests":%d,"us":%d,"bytes":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d}}\\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One kind of request."""

    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None

    @property
    def varies(self) -> bool:
        """Whether each request is another one."""
        return "{n}" in self.path or "{n}" in (self.body or "")

    def script(self) -> str:
        """For wrk."""
        headers = "{" + ",".join(f"[{_lua(name)}]={_lua(value)}" for name, value in self.headers.items()) + "}"
        body = "nil" if self.body is None else _lua(self.body)
        return _SCRIPT.format(
            method=_lua(self.method), path=_lua(self.path), body=body, headers=headers,
            varies=str(self.varies).lower(), users=USERS,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fired:
    """What came of it. `generator` is the share of a core that wrk itself took: near 1, it was what set the pace."""

    per_second: float
    kib: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    generator: float


def _lua(text: str) -> str:
    return json.dumps(text)  # its escapes are Lua's, too, for the printable ASCII that stands here


def wrk() -> str:
    """The program, installed from Debian where it is missing. Raises RuntimeError."""
    if shutil.which("wrk") is None:
        subprocess.run([str(ROOT / "scripts" / "install-packages"), "wrk"], check=False, timeout=300)
    found = shutil.which("wrk")
    if found is None:
        raise RuntimeError("wrk is not installed (Debian's package `wrk`)")
    return found


def fire(port: int, shot: Shot, *, seconds: float) -> Fired:
    """Send as many as are answered in `seconds`."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(shot.script())
        script.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "10s", "-s", script.name,
             f"http://127.0.0.1:{port}"],
            capture_output=True, text=True, timeout=seconds + 60, check=False,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk: {(done.stderr or done.stdout)[-300:]}")
    made = json.loads(found[1])
    lasted = made["us"] / 1e6
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Fired(
        per_second=made["requests"] / lasted,
        kib=made["bytes"] / max(made["requests"], 1) / 1024,
        refused=made["refused"],
        broken=made["broken"],
        p50_ms=made["p50_us"] / 1e3,
        p99_ms=made["p99_us"] / 1e3,
        generator=used / lasted,
    )
