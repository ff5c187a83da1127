"""Fetching proofs that the log holds the rules in use: later, without hurry, and never in the way of the rules."""

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from ensign_ledger.ruleset import Untrusted

from ensign_sdk._internal import backoff
from ensign_sdk._internal.trust import Signed, Trust
from ensign_sdk.config import Config

if TYPE_CHECKING:
    from ensign_sdk._internal.transport import Transport

log = logging.getLogger("ensign_sdk")

PROOF = "/client/proof"
FIRST = (40.0, 70.0)
"""Seconds after new rules until their proof is asked for. The log signs every half a minute, and instances that got
the rules in the same moment should not ask in the same moment."""
AGAIN = (15.0, 30.0)
PATIENCE = 120.0
"""Seconds after which it is said that there is no proof."""
IDLE = 3600.0


class Prover:
    """`step` asks once, if something in use is not proven yet; returns the seconds until the next time."""

    def __init__(self, config: Config, trust: Trust, *, headers: dict[str, str]) -> None:
        self._config = config
        self._trust = trust
        self._headers = {**headers, "Accept": "application/json"}
        self._transport: Transport | None = None
        self._held: object = None
        self._since = self._due = 0.0
        self._complained = False
        self._failures = 0

    def step(self) -> float:
        """Never raises."""
        now, trust = time.monotonic(), self._trust
        if trust.held is not self._held:
            self._held, self._since, self._complained, self._failures = trust.held, now, False, 0
            self._due = now + random.uniform(*FIRST)  # noqa: S311  # spreads load, keeps no secret
        if not trust.unproven():
            return IDLE
        if now < self._due:
            return self._due - now
        problem = self._ask()
        wanting = trust.unproven()
        if not wanting:
            if self._complained:
                log.warning("Ensign has found the proof of its rules")
            return IDLE
        self._failures += 1
        late = time.monotonic() - self._since > PATIENCE
        if late and not self._complained:
            self._complained = True
            place = wanting[0].statement
            reason = f"no proof that the log holds {place.project} {place.epoch}.{place.number}"
            log.error("Ensign goes on with signed rules, but there is %s: %s", reason, problem or "it is not there")
            trust.reports.append("proof")
        spread = random.uniform(*AGAIN)  # noqa: S311  # spreads load, keeps no secret
        pause = max(spread, backoff.after_failures(self._failures)) if late else spread
        self._due = time.monotonic() + pause
        return pause

    def _ask(self) -> str | None:
        """What went wrong, or None."""
        from ensign_sdk._internal.transport import Transport, TransportError  # deferred: the first use of HTTP

        config = self._config
        if self._transport is None:
            self._transport = Transport(config.endpoint, config.token, timeout=config.timeout, sent=config.what_is_sent)
        try:
            reply = self._transport.request("GET", PROOF, headers=self._headers)
        except TransportError as problem:
            return str(problem)
        finally:
            self._transport.close()
        if reply.status != 200:
            return f"the server answered {reply.status}"
        try:
            proofs = json.loads(reply.body)["proofs"]
            found = {_place(proof): proof for proof in proofs}
        except (ValueError, TypeError, KeyError, RecursionError) as problem:
            return f"the answer cannot be read: {problem!r}"
        return self._verified(found)

    def _verified(self, found: dict[Any, Any]) -> str | None:
        problem: str | None = None
        for item in self._trust.unproven():
            proof = found.get(_wanted(item))
            if proof is None:
                continue
            try:
                self._trust.prove(item, proof)
            except Untrusted as refusal:
                problem = str(refusal)
        return problem


def _place(proof: Any) -> tuple[object, ...]:
    return proof["project"], proof["environment"], proof["epoch"], proof["number"]


def _wanted(item: Signed) -> tuple[object, ...]:
    said = item.statement
    return said.project, said.environment, said.epoch, said.number
