"""A Python client in a process of its own that stays: says when it has rules, then serves until it is ended."""

import json
import sys
import time

given = json.loads(sys.argv[1])
if given["sdk"] == "ensign":
    from ensign_sdk import Client

    client = Client(
        url=given["url"], token=given["token"], app_name=given["app"], streaming=given["mode"] == "streaming",
        refresh_interval=1, cache_dir=False,
    )  # fmt: skip
    client.wait_until_ready(30)
else:
    from UnleashClient import UnleashClient

    unleash = UnleashClient(
        url=given["url"] + "/api", app_name=given["app"], custom_headers={"Authorization": given["token"]},
        refresh_interval=1, disable_metrics=True, cache_directory=sys.argv[2],
        experimental_mode={"type": given["mode"]},
    )  # fmt: skip
    unleash.initialize_client()
    while not unleash.is_enabled("ready"):
        time.sleep(0.05)
print("ready", flush=True)
while True:
    time.sleep(60)
