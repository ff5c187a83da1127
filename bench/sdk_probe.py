"""One start of an application with flags, timed in a process of its own: ``python bench/sdk_probe.py WAY FOLDER``.

Run by bench/sdk.py. It imports next to nothing by itself, so that what a contender imports is counted for it.
"""

import sys
import time

NOWHERE = "http://127.0.0.1:9/api"
"""An address where nobody answers."""
TOKEN = "shop:production.bench"
ASKED = "flag-500"
CONTEXT = {"userId": "user-123", "properties": {"country": "c7", "plan": "pro", "version": "2.1.0"}}


def _rss() -> float:
    """Resident MiB."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _sdk(way, folder):
    """A function that makes the client; importing is over by then."""
    from ensign_sdk import Client

    rules = f"{folder}/rules.json"
    if way == "offline":
        return lambda: Client.offline(rules, app_name="bench")
    options = {"url": NOWHERE, "token": TOKEN, "app_name": "bench", "metrics_interval": 0}
    if way == "bootstrap":
        return lambda: Client(**options, bootstrap=rules, cache_dir=False)
    return lambda: Client(**options, cache_dir=folder)


def _unleash(folder):
    import json
    import logging
    import tempfile

    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    logging.disable(logging.CRITICAL)

    def make():
        cache = FileCache("bench", directory=tempfile.mkdtemp(prefix="ensign-bench-"))
        with open(f"{folder}/rules.json", "rb") as file:
            cache.bootstrap_from_dict(json.load(file))
        client = UnleashClient(NOWHERE, "bench", cache=cache, disable_registration=True)
        client.initialize_client(fetch_toggles=False)
        return client

    return make


def main(way: str, folder: str) -> None:
    """Print ``import_ms init_ms import_cpu_ms init_cpu_ms rss_mib``."""
    began, cpu = time.perf_counter(), time.process_time()
    imported, cpu_imported = began, cpu
    if way != "bare":
        make = _unleash(folder) if way == "unleash" else _sdk(way, folder)
        imported, cpu_imported = time.perf_counter(), time.process_time()
        client = make()
        answer = client.is_enabled(ASKED, CONTEXT)
        ready, cpu_ready = time.perf_counter(), time.process_time()
        if not isinstance(answer, bool) or (way != "unleash" and ASKED not in client._store.ruleset):
            raise SystemExit(f"{way} did not start with its rules")
        deadline = time.monotonic() + 20
        while way in {"bootstrap", "cache"} and client.status().error is None and time.monotonic() < deadline:
            time.sleep(0.01)  # until it has tried its server, so that HTTP is in memory
    else:
        ready, cpu_ready = time.perf_counter(), time.process_time()
    times = (imported - began, ready - imported, cpu_imported - cpu, cpu_ready - cpu_imported)
    print(*(f"{seconds * 1e3:.2f}" for seconds in times), f"{_rss():.2f}", flush=True)
    import os

    os._exit(0)  # a client's background threads must not keep the probe alive


if __name__ == "__main__":
    main(*sys.argv[1:])
