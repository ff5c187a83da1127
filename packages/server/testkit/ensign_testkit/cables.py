"""A cable to another machine that can be pulled: a network namespace where that is allowed, else a proxy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import count

from ensign_testkit.edges import Wire

_serial = count(1)
_ASK = (
    "import sys, urllib.request as r, urllib.error as e\n"
    "try: print(r.urlopen(r.Request(sys.argv[1], headers={'Authorization': sys.argv[2]}), timeout=10).status)\n"
    "except e.HTTPError as refused: print(refused.code)"
)


class Cable:
    """To `port` of this machine. `url` is that port seen from the other end; `prefix` runs a command there."""

    prefix: tuple[str, ...] = ()

    def __init__(self, port: int) -> None:
        self._wire = Wire(port)
        self.url = self._wire.url

    def pull(self) -> None:
        """Nothing goes through any more, and neither side is told."""
        self._wire.hold()

    def plug(self) -> None:
        """Everything goes through again."""
        self._wire.mend()

    def ask(self, port: int, path: str, token: str) -> int:
        """The status that a program at the other end gets from `port` there."""
        command = [*self.prefix, sys.executable, "-c", _ASK, f"http://127.0.0.1:{port}{path}", token]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout)

    def close(self) -> None:
        """Take it away."""
        self._wire.close()


class _Namespace(Cable):
    """The other end is a network namespace, joined by a pair of virtual interfaces."""

    def __init__(self, port: int) -> None:
        number = next(_serial)
        self._name = f"ensign-{os.getpid()}-{number}"
        self._near = f"ens{os.getpid() % 10**6}n{number}"
        net = f"10.{os.getpid() // 250 % 250}.{os.getpid() % 250}"
        self.prefix = ("ip", "netns", "exec", self._name)
        self.url = f"http://{net}.1:{port}"
        for command in (
            f"netns add {self._name}",
            f"link add {self._near} type veth peer name far netns {self._name}",
            f"addr add {net}.1/30 dev {self._near}",
            f"link set {self._near} up",
            f"-n {self._name} addr add {net}.2/30 dev far",
            f"-n {self._name} link set far up",
            f"-n {self._name} link set lo up",
        ):
            _ip(command)

    def pull(self) -> None:
        _ip(f"link set {self._near} down")

    def plug(self) -> None:
        _ip(f"link set {self._near} up")

    def close(self) -> None:
        _ip(f"netns del {self._name}")


def cable(port: int) -> Cable:
    """As real as this machine allows."""
    return _Namespace(port) if os.geteuid() == 0 and shutil.which("ip") else Cable(port)


def _ip(command: str) -> None:
    done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {command}: {done.stderr}")
