import os
import signal

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
