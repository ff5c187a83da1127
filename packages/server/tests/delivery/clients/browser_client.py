"""A browser SDK as a contract program: its page in Chromium, from an origin of its own, so that CORS counts.

Arguments: the folder of installed packages, the page's script, and what every program is given.
"""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from ensign_testkit.browsing import launch
from playwright.sync_api import sync_playwright

modules, script, given = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
source = Path(given["folder"]) / script.name
source.write_bytes(script.read_bytes())
bundle = subprocess.run(
    ["node", str(modules / "node_modules/esbuild/bin/esbuild"), str(source), "--bundle", "--format=iife",
     '--define:process.env.NODE_ENV="production"'],
    check=True, capture_output=True, env={**os.environ, "NODE_PATH": str(modules / "node_modules")},
).stdout  # fmt: skip
PAGE = b'<!doctype html><meta charset="utf-8"><title>Contract</title><body></body>'


class Site(http.server.BaseHTTPRequestHandler):
    """The shop's own web server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=site.serve_forever, daemon=True).start()


def say(value: object) -> None:
    """One line."""
    print(json.dumps(value), flush=True)


with sync_playwright() as playwright:
    browser = launch(playwright)
    page = browser.new_page()
    page.on("console", lambda message: print(message.text, file=sys.stderr, flush=True))
    page.on("pageerror", lambda error: print(error, file=sys.stderr, flush=True))
    page.goto(f"http://127.0.0.1:{site.server_address[1]}/")
    page.evaluate("given => { window.given = given }", given)
    page.add_script_tag(content=bundle.decode())
    say(page.evaluate("window.ready()"))
    for line in sys.stdin:
        say(page.evaluate(f"window.{line.strip()}()"))
        if line.strip() == "end":
            break
    browser.close()
