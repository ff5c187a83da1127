"""A kill switch of the demo: its drills, the address that a monitor may call, and the day on which it did."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.incidents import drills, incidents, operations, triggering, triggers
from ensign.demo import reaching
from ensign.demo.stage import Stage

FLAG: Final = "acquirer-b"
_WHO, _PROJECT, _PLACE = "jonas.lindqvist", "checkout", "production"
_TARGET = 10_000
_SLOW, _FAST = 14_200, 640


class Practice:
    """Puts drills, trigger and outage into the calendar."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._address: triggers.NewTrigger | None = None
        self._plan = ""

    def plan(self) -> None:
        """A drill that failed, one that passed a quarter later, the next in two weeks; an outage in between."""
        calendar = self._stage.calendar
        self._stage.launch(FLAG, _WHO, 60, share=100)
        calendar.on_day(190, self._planned)
        calendar.on_day(214, self._trigger)
        calendar.on_day(262, self._outage)
        calendar.on_day(288, lambda t: self._drill(t, _FAST))

    def _planned(self, at: datetime) -> None:
        made = drills.plan(
            actor=self._stage.actor(_WHO, at), at=at, project=_PROJECT, environment=_PLACE, flag=FLAG, every_days=90,
            target_ms=_TARGET, first_at=at + timedelta(days=1),
        )  # fmt: skip
        self._plan = made.id
        first = self._stage.calendar.working(at + timedelta(days=1))
        self._stage.calendar.put(first, lambda t: self._drill(t, _SLOW))

    def _drill(self, at: datetime, streaming_ms: int) -> None:
        """Off by hand; measured once all applications have said so; asked for on again."""
        drills.run(
            actor=self._stage.actor(_WHO, at), at=at, plan_id=self._plan, now=lambda: at + timedelta(milliseconds=38)
        )
        revision = reaching.newest(_PROJECT, _PLACE)
        self._stage.calendar.put(
            at + timedelta(minutes=1), lambda t: reaching.tell(revision, streaming_ms=streaming_ms, at=t)
        )
        self._stage.calendar.put(at + timedelta(minutes=2), self._measured)

    def _measured(self, at: datetime) -> None:
        drills.tick(at=at, now=lambda: at)
        result = drills.drills(plan=self._plan, limit=1)[0]
        self._stage.requests.counts[f"drill {result.status}"] += 1
        again = self._stage.requests.read(result.restore)
        self._stage.calendar.put(at + timedelta(minutes=9), lambda t: self._on_again(again.id, t))

    def _on_again(self, request_id: str, at: datetime) -> None:
        self._stage.approve("amara.okafor", self._stage.requests.read(request_id), at)

    def _trigger(self, at: datetime) -> None:
        self._address = triggers.make(
            actor=self._stage.actor(_WHO, at), at=at, name="Grafana: declines at acquirer B", project=_PROJECT,
            environment=_PLACE, flag=FLAG, days=365,
        )  # fmt: skip

    def _outage(self, at: datetime) -> None:
        """The monitor calls the address, signed; people declare the incident to which that belongs."""
        assert self._address is not None
        body = json.dumps({"alert": "acquirer-b-declines", "value": 0.31}).encode()
        stamp, id = int(at.timestamp()), "grafana-20731"
        signed = triggering.signature(self._address.secret, id=id, timestamp=stamp, body=body)
        headers = {"webhook-id": id, "webhook-timestamp": str(stamp), "webhook-signature": signed}
        fired = triggers.fire(
            trigger_id=self._address.trigger.id, headers=headers, body=body, token="", at=at,
            now=lambda: at + timedelta(milliseconds=54),
        )  # fmt: skip
        assert fired.kill is not None
        kill = fired.kill.id
        self._stage.requests.counts["killed"] += 1
        calendar = self._stage.calendar
        calendar.put(at + timedelta(minutes=6), lambda t: self._declared(kill, t))

    def _declared(self, kill: str, at: datetime) -> None:
        actor = self._stage.actor(_WHO, at)
        declared = incidents.declare(
            actor=actor, at=at, title="Acquirer B declines every third card", severity="sev1", project_keys=[_PROJECT],
            environment=_PLACE, began_at=at - timedelta(minutes=11), detected_at=at - timedelta(minutes=6),
            suspected_flag=FLAG, kills=[kill],
            text="The monitor switched it off by itself; cards go through acquirer A since.",
        ).incident  # fmt: skip
        operations.record_reason(
            actor=actor, at=at + timedelta(minutes=2), kill_id=kill, reason="31 % declined, against 4 % on other days."
        )
        incidents.mitigate(
            actor=actor, at=at + timedelta(minutes=4), incident_id=declared.id, text="Declines are back to 4 %."
        )
        self._stage.calendar.put(at + timedelta(hours=2), lambda t: self._over(declared.id, t))

    def _over(self, incident: str, at: datetime) -> None:
        actor = self._stage.actor(_WHO, at)
        incidents.resolve(actor=actor, at=at, incident_id=incident, text="Acquirer B has rolled its release back.")
        incidents.conclude(
            actor=actor, at=at + timedelta(minutes=30), incident_id=incident,
            root_cause="A release of acquirer B read the country of issue wrongly; nothing of ours.",
        )  # fmt: skip
        self._stage.requests.propose(
            _WHO, at + timedelta(minutes=40), _PROJECT, _PLACE, [FlagEnable(flag=FLAG)], smooth=True,
            reason="Acquirer B confirms that its release is gone; a test card goes through.",
        )  # fmt: skip
