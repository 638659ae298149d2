"""A training step that begins as a program soon compiled, and goes on as a faster one."""

from collections.abc import Callable
from typing import Any

from jaxdl.metrics import Mean
from jaxdl.train.ahead import Compiler, Program
from jaxdl.train.gradients import Batch
from jaxdl.train.state import TrainState
from jaxdl.train.step import TrainStep

UNDISTURBED = 3  # updates asked for before anything else is compiled: the first of them is there then


class Takeover:
    """``step`` in two programs: the updates before ``at``, counted from 0, by ``step.plain``, the rest as it is.

    Both compute the same, to rounding. XLA takes several times as long for the second, which is compiled in a thread
    while the first trains. As ``at`` is fixed beforehand, a state's successor depends on nothing else: a run that was
    stopped goes on with the program that it would have had. steps: updates in all; what none of them needs is not
    compiled.
    """

    def __init__(self, step: TrainStep, *, at: int, steps: int, compiler: Compiler):
        self._step, self.at, self._steps, self._compiler = step, at, steps, compiler
        self._programs: dict[bool, Program] = {}  # by whether it is the plain one

    def begin(self, update: int, state: Any, batch: Any) -> None:
        """Has the program of ``update`` compiled, if it is not yet. state, batch: arrays, or what describes them."""
        plain = update < self.at
        if update < self._steps and plain not in self._programs:
            step = self._step.plain if plain else self._step
            self._programs[plain] = Program(self._compiler, step.jitted, state, dict(batch))
            self._programs[plain].begin()

    def begun_at(
        self, update: int, *, meanwhile: Callable[[], None] = lambda: None
    ) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, Mean]]]:
        """``step(state, batch) -> (state, metrics)`` for the updates from ``update``, in their order.

        meanwhile: called once the first of them is there, to have other programs compiled before the fast one.
        """
        undisturbed = update + UNDISTURBED

        def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Mean]]:
            nonlocal update
            self._step.check(batch)
            self.begin(update, state, batch)
            result = self._programs[update < self.at](state, dict(batch))
            update += 1
            if update == undisturbed:
                meanwhile()
                self.begin(max(update, self.at), result[0], batch)
            return result

        return step
