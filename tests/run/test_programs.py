"""When the fast program of a training step takes over."""

import pytest

from jaxdl.run.programs import BY_PLAIN, FEWEST, LEAST, takeover_at
from jaxdl.train import parallel


@pytest.mark.parametrize(
    ("multiply_adds", "steps", "at"),
    [
        (10**9, 10, 10),  # all of a short training by the plain program
        (10**9, int(LEAST / 3e9) + 1, -(-int(BY_PLAIN) // (3 * 10**9))),
        (10**11, 1000, FEWEST),  # of a network whose updates are long
        (0, 1000, 1000),
    ],
)
def test_the_fast_program_takes_over_where_it_is_worth_its_compilation(multiply_adds, steps, at):
    assert takeover_at(parallel.single(), multiply_adds=multiply_adds, steps=steps) == at


def test_several_devices_have_one_program():
    assert takeover_at(parallel.pmap(), multiply_adds=10**9, steps=10**6) == 0
