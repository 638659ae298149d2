"""Checkpoints of the whole train state. The only file that knows Orbax."""

import contextlib
from pathlib import Path

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from jaxdl.errors import UserError
from jaxdl.train.state import TrainState

NOT_MEASURED = -1.0  # ranks below every accuracy


class Checkpoints:
    """The checkpoints of one run: the last two, and the best by validation accuracy.

    Saving is asynchronous: ``save`` returns once the state is copied, and the files appear in one rename. Beside the
    state lie the caller's own notes, any JSON. Use it as a context, or call ``close``, which waits for what is being
    written.
    """

    def __init__(self, directory: str | Path, *, keep_last: int = 2):
        policy = checkpoint_managers

        def ranking(measured: dict) -> float:
            return measured["val_accuracy"]

        self._manager = ocp.CheckpointManager(
            Path(directory).resolve(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy.AnyPreservationPolicy(
                    [
                        policy.LatestN(keep_last),
                        policy.BestN(get_metric_fn=ranking, n=1, keep_checkpoints_without_metrics=False),
                    ]
                ),
                best_fn=ranking,  # has the ranking stored, so that it outlives the process
            ),
        )

    def save(self, state: TrainState, notes: dict, *, val_accuracy: float | None = None) -> None:
        """Saves under ``state.step``; does nothing if that step is there already.

        val_accuracy: what to rank it by; None where it was not measured.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        copied = jax.tree.map(jnp.copy, state)  # the caller's own buffers are donated to the next step
        self._manager.save(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardSave(copied), notes=ocp.args.JsonSave(notes)),
            metrics={"val_accuracy": NOT_MEASURED if val_accuracy is None else val_accuracy},
        )

    @property
    def steps(self) -> list[int]:
        """The complete checkpoints there are, oldest first."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """The checkpoint of the highest validation accuracy; None where none was measured."""
        step = self._manager.best_step()
        measured = step is not None and self._manager.metrics(step)["val_accuracy"] > NOT_MEASURED
        return step if measured else None

    def restore(self, like: TrainState, *, step: int | None = None) -> tuple[TrainState, dict]:
        """The state and notes of ``step``, by default the newest.

        like: a state of the same structure; its arrays say shape, dtype and device. Raises UserError if there is
        nothing to restore, or if it is of another structure.
        """
        step = self._manager.latest_step() if step is None else step
        if step is None:
            raise UserError(f"there is no checkpoint in {self._manager.directory}.")
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        try:
            restored = self._manager.restore(
                step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target), notes=ocp.args.JsonRestore())
            )
        except (ValueError, KeyError) as error:
            raise UserError(
                f"the checkpoint {self._manager.directory / str(step)} does not fit this model and optimizer: "
                f"{str(error).splitlines()[0][:200]}"
            ) from error
        return restored["state"], restored["notes"]

    def wait(self) -> None:
        """Returns when everything saved is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and gives up the writer's threads."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            self.wait()
