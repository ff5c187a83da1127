import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from ensign_sdk import Client

# With `gunicorn --preload` this runs once, before the workers are forked; each goes on by itself.
client = Client(url=os.environ["ENSIGN_URL"], token=os.environ["ENSIGN_CLIENT_TOKEN"], app_name="checkout")


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    user = parse_qs(environ["QUERY_STRING"]).get("user", [""])[0]
    on = client.is_enabled("menu", {"userId": user})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {'on' if on else 'off'}".encode()]
