"""What Ensign does by the clock: checkpoints, anchors, drift checks, summaries of refusals, expiries.

A thread of `ensign serve`, or the process `ensign worker`.

Every task is safe to run from several processes; on PostgreSQL an advisory lock lets one of them do the work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.management import call_command
from django.db import DatabaseError, connection

from ensign import metrics
from ensign.control.access import requests as access_requests
from ensign.control.access import segregation
from ensign.control.api import idempotency
from ensign.control.audit import following, schedule
from ensign.control.changes import expiring
from ensign.control.federation import refusals as exchanges
from ensign.control.identity import attempts, enforcing, retention, sessions, sign_in, traces
from ensign.control.identity.sso import saml_tickets
from ensign.control.identity.sso import sessions as provider_sessions
from ensign.control.incidents import drills, opening, triggers
from ensign.control.integrations import digests, finding_notices, follower, sending
from ensign.control.integrations import retention as retention_of_messages
from ensign.control.kernel import clock, skew
from ensign.control.monitoring import checking, detecting, hooks, raising
from ensign.control.monitoring import opening as looked
from ensign.control.privacy import keeping
from ensign.control.projects import token_uses
from ensign.control.publishing import proofs, reach_rows, reached, refusals, usage
from ensign.control.releases import running as releases

log = logging.getLogger("ensign.worker")

BEAT = 5.0
"""Seconds between looks at what is due."""
REST = 0.2
"""Seconds between being woken and looking."""
KEEP_USAGE = timedelta(days=400)
"""How long counts of evaluations are kept: a year and a month, for a yearly audit."""
KEEP_REACH = timedelta(days=90)
"""How long the details of propagation are kept; what came of it stands in the log."""
_LEADER = 0x656E7369676E  # "ensign": the advisory lock's number
_FOLLOWER, _POSTMAN = _LEADER + 1, _LEADER + 2


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every ``every``. ``run`` gets the time, writes through operations, and may raise."""

    name: str
    every: timedelta
    run: Callable[[datetime], object]


def _custody(at: datetime) -> object:
    return schedule.tick(at=at)


def _proofs(_at: datetime) -> object:
    return proofs.keep()


def _answers(at: datetime) -> object:
    return idempotency.purge(at=at)


def _usage(at: datetime) -> object:
    return usage.forget(before=at - KEEP_USAGE)


def _sign_ins(at: datetime) -> object:
    sign_in.summarise(at=at)
    return None


def _exchanges(at: datetime) -> object:
    exchanges.summarise(at=at)
    return None


def _refusals(at: datetime) -> object:
    return refusals.summarise(at=at)


def _reached(at: datetime) -> object:
    return reached.record_reached(at=at)


def _reach(at: datetime) -> object:
    return reach_rows.forget(before=at - KEEP_REACH, at=at)


def _tries(at: datetime) -> object:
    return attempts.prune(at=at)


def _expired(at: datetime) -> object:
    return sessions.end_due(at=at)


def _traces(at: datetime) -> object:
    return traces.forget(before=at - timedelta(days=enforcing.current().trace_days))


def _sessions(at: datetime) -> object:
    call_command("clearsessions", verbosity=0)
    return retention.forget_sessions(at=at)


def _providers(at: datetime) -> object:
    return provider_sessions.prune(at=at) + saml_tickets.prune(at=at)


def _links(at: datetime) -> object:
    return retention.forget_links(at=at)


def _token_uses(at: datetime) -> object:
    return retention.forget_uses(at=at) + token_uses.forget(before=at - retention.KEEP_USES)


def _applications(at: datetime) -> object:
    return usage.forget_applications(before=at - KEEP_USAGE)


def _erased_keys(at: datetime) -> object:
    return keeping.reconcile(at=at)


def _releases(at: datetime) -> object:
    return releases.tick(at=at)


def _access(at: datetime) -> object:
    return access_requests.tick(at=at)


def _duties(at: datetime) -> object:
    return segregation.check_everybody(at=at)


def _expired_requests(at: datetime) -> object:
    return expiring.end_due(at=at)


def _emergencies(at: datetime) -> object:
    return opening.tick(at=at)


def _drills(at: datetime) -> object:
    return drills.tick(at=at, now=clock.now)


def _trigger_refusals(at: datetime) -> object:
    triggers.summarise(at=at)
    return None


def _watch(at: datetime) -> object:
    return detecting.follow(at=at) + raising.escalate(at=at)


def _safeguards(at: datetime) -> object:
    return checking.check(at=at, now=clock.now)


def _safeguard_messages(at: datetime) -> object:
    return hooks.forget_messages(at=at)


def _opened(at: datetime) -> object:
    return looked.forget(at=at)


def _messages(at: datetime) -> object:
    return retention_of_messages.forget(at=at)


def _following(at: datetime) -> object:
    return follower.follow(at=at)


def _sending(at: datetime) -> object:
    return sending.send_due(at=at, now=clock.now)


def _digests(at: datetime) -> object:
    return digests.release(at=at)


def _findings(at: datetime) -> object:
    return finding_notices.tell(at=at)


#: A checkpoint is due within a minute of any entry; half of that leaves room for a slow beat.
TASKS: tuple[Task, ...] = (
    Task("custody", timedelta(seconds=30), _custody),
    Task("proofs", timedelta(seconds=30), _proofs),  # right after the checkpoint that they lead to
    Task("sign-ins", timedelta(minutes=1), _sign_ins),
    Task("exchanges", timedelta(minutes=1), _exchanges),
    Task("refusals", timedelta(minutes=1), _refusals),
    Task("releases", timedelta(seconds=5), _releases),
    Task("reached", timedelta(seconds=5), _reached),
    Task("answers", timedelta(minutes=10), _answers),
    Task("usage", timedelta(hours=24), _usage),
    Task("reach", timedelta(hours=1), _reach),
    Task("expired sessions", timedelta(minutes=1), _expired),
    Task("traces", timedelta(hours=24), _traces),
    Task("access", timedelta(minutes=1), _access),
    Task("duties", timedelta(hours=1), _duties),
    Task("expired requests", timedelta(minutes=1), _expired_requests),
    Task("tries", timedelta(hours=24), _tries),
    Task("sessions", timedelta(hours=6), _sessions),
    Task("providers", timedelta(hours=1), _providers),
    Task("links", timedelta(hours=24), _links),
    Task("token-uses", timedelta(hours=24), _token_uses),
    Task("applications", timedelta(hours=24), _applications),
    Task("safeguards", timedelta(seconds=15), _safeguards),
    Task("watch", timedelta(seconds=15), _watch),
    Task("safeguard-messages", timedelta(hours=1), _safeguard_messages),
    Task("opened", timedelta(hours=24), _opened),
    Task("erased-keys", timedelta(minutes=10), _erased_keys),
    Task("emergencies", timedelta(minutes=1), _emergencies),
    Task("drills", timedelta(seconds=5), _drills),
    Task("trigger-refusals", timedelta(minutes=1), _trigger_refusals),
    Task("messages", timedelta(hours=24), _messages),
)

#: Who is to know of what was appended to the log, which wakes it.
FOLLOW: tuple[Task, ...] = (
    Task("following", timedelta(0), _following),
    Task("findings", timedelta(hours=1), _findings),
)
#: What waits for servers outside has a thread of its own: no checkpoint and no notice is late because a chat is.
POST: tuple[Task, ...] = (
    Task("digests", timedelta(minutes=10), _digests),
    Task("sending", timedelta(0), _sending),
)


class Worker:
    """Runs ``tasks`` when they are due; one after the other, in one thread."""

    def __init__(
        self, tasks: Sequence[Task] = TASKS, *, now: Callable[[], datetime] = clock.now, leader: int = _LEADER
    ) -> None:
        self._tasks = tasks
        self._now = now
        self._leader = leader
        self._due: dict[str, datetime] = {}
        self._drifted = False
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="ensign-worker", daemon=True)
        self._thread.start()

    def stop(self, *, timeout: float = 30.0) -> None:
        """Ask it to end and wait until the present task is done."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def wake(self) -> None:
        """Look at once at what is due. Returns at once."""
        self._woken.set()

    def run(self) -> None:
        """Work until :meth:`stop`, in this thread."""
        try:
            while not self._stopping.is_set():
                self._woken.clear()  # first: what comes while it works is looked at afterwards
                self.beat()
                if self._woken.wait(BEAT):
                    self._stopping.wait(REST)  # many commits in a moment are one look
        finally:
            connection.close()

    def beat(self) -> list[str]:
        """Do what is due now, if no other process leads; returns the names of the tasks that ended well."""
        try:
            self._look_at_the_clock()
            if not self._leads():
                return []
        except DatabaseError as error:
            log.warning("the worker cannot reach the database", exc_info=error)
            connection.close()
            return []
        at = self._now()
        return [task.name for task in self._tasks if self._is_due(task, at) and self._do(task, at)]

    def _is_due(self, task: Task, at: datetime) -> bool:
        """Whether its time has come. A clock that was set back must not keep it waiting until it catches up."""
        due = self._due.get(task.name, at)
        return due <= at or at < due - task.every

    def _look_at_the_clock(self) -> None:
        """Say when this node's clock has drifted from its database's: approvals and ends are judged by it."""
        ahead = skew.ahead(self._now())
        metrics.CLOCK_AHEAD.set(ahead)
        if abs(ahead) > clock.SKEW.total_seconds():
            if not self._drifted:
                log.error("this node's clock differs by %.0f s from the database's: set it by NTP", ahead)
            self._drifted = True
        else:
            self._drifted = False

    def _do(self, task: Task, at: datetime) -> bool:
        self._due[task.name] = at + task.every
        try:
            task.run(at)
        except Exception as error:  # whatever one task runs into must not keep the others from being done
            log.error("the task %s failed", task.name, exc_info=error)
            metrics.TASK_RUNS.labels(task.name, "failed").inc()
            connection.close()
            return False
        metrics.TASK_RUNS.labels(task.name, "done").inc()
        metrics.TASK_LAST.labels(task.name).set(at.timestamp())
        return True

    def _leads(self) -> bool:
        """Whether this process may work: on PostgreSQL, whether its connection holds the advisory lock."""
        if connection.vendor != "postgresql":
            return True
        with connection.cursor() as cursor:
            # Held by the session until it ends. Asking again would count up, so look first.
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                " AND (classid::bigint << 32 | objid::bigint) = %s) OR pg_try_advisory_lock(%s)",
                [self._leader, self._leader],
            )
            return bool(cursor.fetchone()[0])


class Crew:
    """The workers of an installation: what is due by the clock, who follows the log, and the post."""

    def __init__(self) -> None:
        self._follow, self._post = Worker(FOLLOW, leader=_FOLLOWER), Worker(POST, leader=_POSTMAN)
        self._all = (Worker(), self._follow, self._post)
        self._unsubscribe: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin, each in a thread of its own."""
        self._unsubscribe = [following.subscribe(one.wake) for one in (self._follow, self._post)]
        for worker in self._all:
            worker.start()

    def stop(self) -> None:
        """Ask all to end and wait until the present tasks are done."""
        for end in self._unsubscribe:
            end()
        for worker in reversed(self._all):
            worker.stop()
