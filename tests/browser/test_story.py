"""The story: from `ensign serve` on an empty disk to a production change that two people made, proven in the log.

Everything happens in Chromium against a server process of its own; the application runs in a third process. Every step
leaves a screenshot in ``test-results/story`` for the eye.
"""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ensign_testkit.browsing import Codes, browsing, explain, launch, press, shoot, sign_in, violations
from ensign_testkit.server import Server, serving
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "story"
PASSWORD = "correct horse battery staple"
PEOPLE = 2000
FLAG = "new-checkout"

APPLICATION = """
import json, sys, time
from ensign_sdk import Client

url, token, people = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = Client(url=url, token=token, app_name="shop-web", refresh_interval=1, cache_dir=False)
client.wait_until_ready(20)
last = None
while True:
    now = sum(client.is_enabled("new-checkout", {"userId": f"user-{n}"}) for n in range(people))
    if now != last:
        last = now
        print(json.dumps(now), flush=True)
    time.sleep(0.1)
"""


class Application:
    """A shop with the SDK in a process of its own; ``sees`` waits for the share of people who get the flag."""

    def __init__(self, url: str, token: str) -> None:
        self.seen: list[int] = []
        self._news: queue.Queue[int] = queue.Queue()
        command = [sys.executable, "-I", "-c", APPLICATION, url, token, str(PEOPLE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._news.put(json.loads(line))

    def sees(self, per_cent: int, *, within: float = 60) -> None:
        """Until about ``per_cent`` of the people get the flag; fails after ``within`` seconds."""
        deadline = time.monotonic() + within
        while not (self.seen and abs(self.seen[-1] / PEOPLE * 100 - per_cent) < 4):
            try:
                self.seen.append(self._news.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"never saw {per_cent} %; saw {self.seen} of {PEOPLE}") from None

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


@dataclass
class Stage:
    """The server, a browser for each person, and numbered screenshots."""

    server: Server
    browser: Browser
    stack: ExitStack
    taken: int = 0
    codes: dict[str, Codes] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)

    def enter(self) -> Page:
        """A person's own browser."""
        self.pages.append(self.stack.enter_context(browsing(self.browser)))
        return self.pages[-1]

    def shot(self, page: Page, name: str) -> None:
        """A numbered screenshot; and axe, as these are pages in states that no other test brings about."""
        self.taken += 1
        shoot(page, SHOTS, f"{self.taken:02}-{name}")
        assert violations(page) == [], name

    @contextmanager
    def explained(self) -> Iterator[None]:
        """When the block fails, what was on every screen is kept and told."""
        try:
            yield
        except BaseException:  # whatever it was: it goes on its way
            explain(self.pages, self.server.lines, SHOTS / "failed")
            raise

    def open(self, page: Page, path: str) -> None:
        """Go to a path of the server."""
        page.goto(self.server.url + path)
        page.wait_for_selector("html[data-ready]")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty data directory, served."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    with sync_playwright() as playwright, serving(tmp_path / "data") as server, ExitStack() as stack:
        browser = launch(playwright)
        yield Stage(server=server, browser=browser, stack=stack)
        stack.close()
        browser.close()


def set_up(stage: Stage) -> Page:
    """The link from the terminal makes Ada the first person."""
    link = stage.server.wait_for(r"(http://\S+/setup/\S+)")[1]
    page = stage.enter()
    page.goto(link)
    stage.shot(page, "set-up")
    page.get_by_label("Organisation").fill("Acme")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Your e-mail address").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    expect(page.get_by_label("Small team: one approval by anyone else", exact=False)).to_be_checked()
    press(page, "Set up Ensign")
    expect(page.get_by_role("heading", name="Second factors")).to_be_visible()
    return page


def enrol(stage: Stage, page: Page, name: str) -> None:
    """An authenticator app."""
    stage.open(page, "/account/security")
    page.get_by_role("link", name="Enrol an authenticator app").click()
    expect(page.locator(".copyable code")).to_be_visible()
    stage.shot(page, f"{name}-enrols")
    codes = Codes(page.locator(".copyable code").inner_text())
    page.get_by_role("textbox", name="Code that the app shows").fill(codes.next())
    page.get_by_label("Your password").fill(PASSWORD)
    press(page, "Enrol the app")
    expect(page.get_by_role("rowheader", name="Authenticator app")).to_be_visible()
    stage.codes[name] = codes


def make_project_and_flag(stage: Stage, page: Page) -> None:
    """By the first steps on the home page."""
    stage.open(page, "/")
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    stage.shot(page, "home-first-steps")
    page.get_by_role("link", name="Create one").click()
    page.get_by_role("textbox", name="Name").fill("Web shop")
    page.get_by_role("textbox", name="Key").fill("shop")
    stage.shot(page, "new-project")
    press(page, "Make the project")
    expect(page.get_by_role("heading", name="Web shop", level=1)).to_be_visible()
    page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Flags").click()
    expect(page.get_by_role("heading", name="No flags yet")).to_be_visible()
    stage.shot(page, "no-flags-yet")
    page.get_by_role("link", name="flag").filter(has_text=re.compile("New|first")).first.click()
    page.get_by_role("textbox", name="Key").fill(FLAG)
    page.get_by_role("textbox", name="Description").fill("One page instead of three.")
    press(page, "Make the flag")
    expect(page.get_by_role("heading", name=FLAG, level=1)).to_be_visible()
    stage.shot(page, "flag-off-everywhere")


def invite(stage: Stage, admin: Page, *, name: str, email: str, role: str) -> Page:
    """Somebody joins by the link that the administrator hands over, in a browser of their own."""
    stage.open(admin, "/people/invite")
    admin.get_by_label("E-mail address").fill(email)
    admin.get_by_label(re.compile(f"^{role}:")).check()
    admin.get_by_role("textbox", name=re.compile("Reason|Why")).fill("Joins the team.")
    press(admin, "Invite and show the link")
    stage.shot(admin, f"invitation-{role.lower()}")
    link = admin.locator(".copyable-block pre").inner_text()
    page = stage.enter()
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    stage.shot(page, f"{role.lower()}-joins")
    press(page, "Join")
    expect(page.locator(".user summary")).to_contain_text(name)
    return page


def draft(stage: Stage, page: Page, *, link: str, per_cent: int, switch_on: bool, title: str) -> str:
    """Edit the rollout in production and submit it; returns the path of the request."""
    stage.open(page, f"/projects/shop/flags/{FLAG}")
    if switch_on:
        press(page, "Switch on in Production")
        stage.open(page, f"/projects/shop/flags/{FLAG}")
    page.get_by_role("link", name=link).click()
    page.get_by_role("spinbutton", name="Rollout").fill(str(per_cent))
    stage.shot(page, f"editor-{per_cent}")
    press(page, re.compile("into the draft"))
    stage.open(page, "/projects/shop/environments/production/draft")
    page.get_by_role("textbox", name="Title").fill(title)
    page.get_by_role("textbox", name=re.compile("Reason|Why")).fill("The canary was fine for a week.")
    stage.shot(page, f"draft-{per_cent}")
    press(page, "Submit for review")
    page.wait_for_url("**/requests/crq_*")
    return page.url.removeprefix(stage.server.url).partition("?")[0]


def approve_and_apply(stage: Stage, page: Page, request: str, *, name: str) -> None:
    """The second person reads, approves and applies."""
    stage.open(page, request)
    stage.shot(page, f"{name}-to-approve")
    press(page, "Approve this change in Production")
    expect(page.get_by_text("1 of 1 approvals")).to_be_visible()
    stage.shot(page, f"{name}-approved")
    press(page, "Apply in Production")
    expect(page.locator(".page-head .badge")).to_contain_text("Applied")
    stage.shot(page, f"{name}-applied")


def make_token(stage: Stage, page: Page) -> str:
    """A client token for production, shown once."""
    stage.open(page, "/projects/shop/tokens/new")
    page.get_by_role("textbox", name="Name").fill("shop-web in production")
    page.get_by_role("combobox", name="Environment").select_option("production")
    press(page, "Make the token")
    stage.shot(page, "token-once")
    return page.locator(".copyable-block pre").inner_text()


def try_to_approve_ones_own(stage: Stage, page: Page, request: str) -> None:
    """The page says why not; and who sends the form all the same is refused, which is written down."""
    stage.open(page, request)
    expect(page.get_by_text("You wrote this request, so somebody else must approve it.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Approve"))).to_have_count(0)
    stage.shot(page, "author-sees-why-not")
    with page.expect_navigation():
        page.evaluate(
            """path => {
              const form = document.createElement("form");
              form.method = "post"; form.action = path + "/decide";
              const digest = [...document.querySelectorAll(".facts code")].map((e) => e.textContent)
                .find((t) => t.length === 64);
              for (const [name, value] of Object.entries({csrfmiddlewaretoken:
                  document.querySelector("[name=csrfmiddlewaretoken]").value, digest, decision: "approve"})) {
                const input = document.createElement("input");
                input.type = "hidden"; input.name = name; input.value = value; form.append(input);
              }
              document.body.append(form); form.submit();
            }""",
            request,
        )
    expect(page.get_by_text("You wrote this request, so somebody else must approve it.").first).to_be_visible()
    stage.shot(page, "author-refused")


def sign_in_anew(stage: Stage, page: Page, *, email: str, name: str) -> None:
    """Out, and in again with password and code."""
    stage.open(page, "/")
    page.locator(".user summary").click()
    stage.shot(page, "person-menu")
    press(page, "Sign out")
    sign_in(page, stage.server.url, email=email, password=PASSWORD)
    expect(page.get_by_label("Code")).to_be_visible()
    stage.shot(page, "second-factor")
    page.get_by_label("Code").fill(stage.codes[name].next())
    press(page, "Continue")
    expect(page.locator(".user summary")).to_be_visible()


def read_the_log(stage: Stage, page: Page) -> None:
    """Who, what before and after, when, where, who approved; and the refusal."""
    stage.open(page, "/log?q=changes")
    stage.shot(page, "log")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Petra Probst")
    expect(row).to_contain_text("shop / production")
    row.get_by_role("link").first.click()
    page.wait_for_selector("html[data-ready]")
    for words in ("Erik Engineer", "Petra Probst", "10 %", "50 %", "UTC", "production"):
        expect(page.locator("main")).to_contain_text(words)
    page.get_by_role("button", name="Prove that it is in the log").or_(
        page.get_by_role("link", name="Prove that it is in the log")
    ).click()
    expect(page.locator("main")).to_contain_text("checkpoint")
    stage.shot(page, "entry-with-proof")
    stage.open(page, "/log?q=access.denied")
    expect(page.locator("tbody tr").first).to_contain_text("Erik Engineer")
    stage.shot(page, "log-refusals")


def export_and_verify(stage: Stage, page: Page, folder: Path) -> None:
    """The bundle verifies in an empty Python, and fails after one byte is flipped or under another key."""
    stage.open(page, "/settings")
    fingerprint = page.locator("#log code").nth(1).inner_text()
    assert fingerprint.startswith("SHA256:")
    stage.shot(page, "settings")
    stage.open(page, "/log/export")
    stage.shot(page, "export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the log").click()
    bundle = folder / "bundle.zip"
    download.value.save_as(bundle)
    venv.create(folder / "empty", with_pip=False)
    python = str(folder / "empty" / "bin" / "python")
    unpacked = folder / "bundle"
    zipfile.ZipFile(bundle).extractall(unpacked)
    verifier = next(unpacked.rglob("verify.py"))

    def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-I", "-S", str(verifier), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    good = verify("--key", fingerprint)
    assert good.returncode == 0, good.stdout + good.stderr
    assert verify("--key", "SHA256:" + "A" * 43).returncode == 1
    entries = max((path for path in unpacked.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    target = next((path for path in unpacked.rglob("entries*")), entries)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    assert verify("--key", fingerprint).returncode == 1


def kill(stage: Stage, page: Page) -> None:
    """One press and one confirmation; the reason afterwards."""
    stage.open(page, f"/projects/shop/flags/{FLAG}")
    page.get_by_role("button", name="Kill switch in Production").click()
    box = page.get_by_role("dialog", name=f"Switch off {FLAG}?")
    expect(box).to_contain_text("Web shop")
    stage.shot(page, "kill-confirmation")
    box.get_by_role("button", name="Switch off in Production").click()
    page.wait_for_url("**/kills**")
    stage.shot(page, "kill-reason")


@pytest.mark.timeout(600)
def test_a_change_of_production_takes_two_people_and_leaves_proof(stage: Stage, tmp_path: Path) -> None:
    with stage.explained():
        story(stage, tmp_path)


def story(stage: Stage, folder: Path) -> None:
    """All of it, in order."""
    ada = set_up(stage)
    enrol(stage, ada, "ada")
    make_project_and_flag(stage, ada)
    erik = invite(stage, ada, name="Erik Engineer", email="erik@example.com", role="Developer")
    petra = invite(stage, ada, name="Petra Probst", email="petra@example.com", role="Approver")
    enrol(stage, petra, "petra")

    begun = draft(stage, erik, link="Add a strategy in Production", per_cent=10, switch_on=True, title="Begin at 10 %")
    approve_and_apply(stage, petra, begun, name="ten")
    with closing(Application(stage.server.url, make_token(stage, ada))) as application:
        application.sees(10)

        wider = draft(stage, erik, link="Edit Gradual rollout in Production", per_cent=50, switch_on=False,
                      title="Half of everybody")  # fmt: skip
        stage.open(erik, f"/projects/shop/flags/{FLAG}")
        expect(erik.locator("#in-production")).to_contain_text("10 %")
        expect(erik.locator("#in-production")).to_contain_text("1 waiting")
        stage.shot(erik, "held-back")
        try_to_approve_ones_own(stage, erik, wider)

        sign_in_anew(stage, petra, email="petra@example.com", name="petra")
        stage.open(petra, "/")
        expect(petra.get_by_role("link", name=re.compile("Review it.*Half of everybody"))).to_be_visible()
        stage.shot(petra, "home-review")
        stage.open(petra, wider)
        expect(petra.locator(".diff-sentence").first).to_contain_text("from 10 % to 50 %")
        assert application.seen[-1] < PEOPLE * 0.2
        approve_and_apply(stage, petra, wider, name="fifty")
        application.sees(50)

        read_the_log(stage, ada)
        export_and_verify(stage, ada, folder)

        kill(stage, erik)
        application.sees(0)
        erik.get_by_label("Why was it pressed?").fill("Payments failed in Norway.")
        press(erik, "Record the reason")
        expect(erik.locator("tbody tr").first).to_contain_text("Payments failed in Norway.")
        stage.shot(erik, "kill-explained")
