import os
import signal
import sys
import time

import pytest

from jaxdl.train.interrupt import Interrupted, Interruptible


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_raises_outside_and_asks_inside_deferred(number, status):
    before = signal.getsignal(number)
    with Interruptible() as interrupt:
        with interrupt.deferred():
            os.kill(os.getpid(), number)
            assert interrupt.requested == number
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), number)
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), number)
        assert raised.value.status == status
    assert signal.getsignal(number) is before


def test_the_first_signal_is_answered_at_once_where_it_is_deferred(capfd):
    with Interruptible() as interrupt, interrupt.deferred("Stopping soon."):
        os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == "\nStopping soon.\n"


def test_a_signal_that_python_swallows_is_raised_again():
    """As one does that comes while an object is cleared away, or in a garbage collector's call-back."""

    class Falling:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            sum(range(1000))  # the handler runs here, and what it raises goes no further

    def drop():
        Falling()
        time.sleep(5)

    hook = sys.unraisablehook
    with Interruptible(), pytest.raises(Interrupted):
        drop()
    assert sys.unraisablehook is hook


def test_a_hook_that_is_put_before_its_own_stays(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    before = sys.unraisablehook
    with Interruptible():
        assert sys.unraisablehook is not before
    assert sys.unraisablehook is before
    with Interruptible():
        mine = sys.unraisablehook = lambda unraisable: None
    assert sys.unraisablehook is mine
