"""Claims: the gate admits threads in the order in which they asked; a door inside a door joins the outer one."""

from __future__ import annotations

import threading

import pytest
from ensign.control.audit.models import Head
from ensign.control.kernel.transactions import FifoGate, inside_write_door, require_write_door, write_door


def test_the_gate_is_first_come_first_served() -> None:
    gate, order, waiting = FifoGate(), [], threading.Semaphore(0)
    gate.acquire()

    def enter(number: int) -> None:
        waiting.release()
        gate.acquire()
        order.append(number)
        gate.release()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=enter, args=(number,)))
        threads[-1].start()
        waiting.acquire()
        while len(gate._queue) <= number:  # the thread has announced itself and is about to queue
            threading.Event().wait(0.001)
    gate.release()
    for thread in threads:
        thread.join(5)
    assert order == list(range(20))


def test_a_door_inside_a_door_joins_the_outer_transaction(db: str) -> None:
    assert not inside_write_door()
    with write_door():
        with write_door():
            assert inside_write_door()
        assert inside_write_door()
    assert not inside_write_door()


def test_writing_outside_the_door_is_a_programming_error() -> None:
    with pytest.raises(RuntimeError):
        require_write_door()


def test_an_error_rolls_everything_back_and_reopens_the_door(db: str) -> None:
    before = Head.objects.get().size
    with pytest.raises(ZeroDivisionError), write_door():
        raise ZeroDivisionError
    assert Head.objects.get().size == before
    with write_door():
        assert inside_write_door()
