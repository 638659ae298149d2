import signal
import threading
import time
import weakref

import numpy as np
import pytest

from jaxdl.data.prefetch import Prefetch


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_left():
    yield
    assert prefetch_threads() == []


def test_prefetch_hands_out_what_put_makes_of_each_batch_in_order():
    with Prefetch(lambda step: step * 10, start=3, stop=9, put=str) as batch_at:
        assert [batch_at(step) for step in range(3, 9)] == ["30", "40", "50", "60", "70", "80"]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_prefetch_works_ahead_and_no_further_than_it_may(ahead):
    made = []
    with Prefetch(lambda step: made.append(step), start=0, stop=20, ahead=ahead) as batch_at:
        for step in range(15):
            batch_at(step)
            eventually(lambda: made == list(range(step + ahead + 1)))  # noqa: B023
            time.sleep(0.002)
            assert len(made) == step + ahead + 1
        for step in range(15, 20):
            batch_at(step)
    assert made == list(range(20))


def test_prefetch_holds_at_most_one_batch_more_than_ahead():
    alive, most = weakref.WeakSet(), 0

    class Held:
        pass

    def make(step):
        nonlocal most
        held = Held()
        alive.add(held)
        most = max(most, len(alive))
        return held

    with Prefetch(make, start=0, stop=50, ahead=3) as batch_at:
        for step in range(50):
            batch_at(step)
    assert most == 4
    assert len(alive) == 0


def test_prefetch_raises_an_error_at_its_step_and_may_try_it_again():
    broken = True

    def make(step):
        if step == 4 and broken:
            raise ZeroDivisionError("four")
        return step

    with Prefetch(make, start=0, stop=10) as batch_at:
        assert [batch_at(step) for step in range(4)] == [0, 1, 2, 3]
        with pytest.raises(ZeroDivisionError, match="four"):
            batch_at(4)
        with pytest.raises(ZeroDivisionError, match="four"):
            batch_at(4)
        broken = False
        assert [batch_at(step) for step in range(4, 10)] == [4, 5, 6, 7, 8, 9]


def test_prefetch_raises_an_error_of_put():
    with Prefetch(lambda step: step, start=0, stop=2, put=lambda batch: 1 // batch) as batch_at:
        with pytest.raises(ZeroDivisionError):
            batch_at(0)
        assert batch_at(1) == 1


def test_prefetch_starts_anew_at_a_step_out_of_order():
    made = []
    with Prefetch(lambda step: made.append(step) or step, start=0, stop=100) as batch_at:
        assert [batch_at(step) for step in (0, 1, 50, 51, 7, 7, 8)] == [0, 1, 50, 51, 7, 7, 8]
        with pytest.raises(ValueError, match="step 100 is not before stop"):
            batch_at(100)
    assert len(made) < 30


@pytest.mark.parametrize("calls", [0, 1])
def test_prefetch_ends_its_thread_at_once_when_it_has_nothing_to_do(calls):
    with Prefetch(lambda step: step, start=0, stop=100) as batch_at:
        for step in range(calls):
            batch_at(step)
        time.sleep(0.02)  # enough for what may be made ahead
        began = time.perf_counter()
    assert time.perf_counter() - began < 3
    assert prefetch_threads() == []


def test_prefetch_ends_after_the_step_under_way_and_makes_none_of_those_that_were_to_follow():
    made, begun = [], threading.Event()

    def make(step):
        begun.set()
        time.sleep(0.1)
        made.append(step)

    with Prefetch(make, start=0, stop=100, ahead=50):
        begun.wait()
    assert made == [0]


def test_prefetch_leaves_a_step_that_does_not_end_behind(monkeypatch):
    monkeypatch.setattr("jaxdl.data.prefetch.PATIENCE", 0.05)
    release = threading.Event()
    began = time.perf_counter()
    with Prefetch(lambda step: release.wait(), start=0, stop=9):
        pass
    assert time.perf_counter() - began < 3
    release.set()
    for thread in prefetch_threads():
        thread.join()


def test_prefetch_measures_what_is_waited_for_and_nothing_else():
    with Prefetch(lambda step: time.sleep(0.05), start=0, stop=6, ahead=1) as batch_at:
        for step in range(3):
            batch_at(step)
        slow = batch_at.waited
        for step in range(3, 6):
            time.sleep(0.15)
            batch_at(step)
        assert 0.1 < slow < 1
        assert batch_at.waited - slow < 0.05


class Struck(BaseException):
    pass


def test_prefetch_survives_signals_that_raise_anywhere():
    def strike(number, frame):
        raise Struck

    before = signal.signal(signal.SIGALRM, strike)
    rng = np.random.default_rng(0)
    step = struck = 0
    try:
        with Prefetch(lambda step: step, start=0, stop=10**9) as batch_at:
            for delay in rng.uniform(1e-5, 1e-3, 500):
                try:
                    signal.setitimer(signal.ITIMER_REAL, delay)
                    for _ in range(1000):
                        assert batch_at(step) == step
                        step += 1
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Struck:
                    struck += 1
            assert batch_at(step) == step
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert struck > 100


def test_prefetch_outside_its_context_says_so():
    batch_at = Prefetch(lambda step: step, start=0, stop=9)
    with pytest.raises(RuntimeError, match="inside its with statement"):
        batch_at(0)


def eventually(true, patience=5.0):
    deadline = time.perf_counter() + patience
    while not true():
        assert time.perf_counter() < deadline
        time.sleep(0.001)
