"""The same step on one device, under ``jax.pmap``, or over a mesh of devices; in one process or in several.

Each of ``single``, ``pmap`` and ``mesh`` says where a step runs, and all three give the same numbers:

    devices = parallel.mesh(data=4, fsdp=2)
    step, state = devices.compile(train_step), devices.put(state)
    state, metrics = step(state, devices.place(batch))
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdl.errors import UserError, unknown
from jaxdl.train.across import AXIS
from jaxdl.train.step import GATHERED, Batch, TrainStep

KINDS = ("auto", "single", "pmap", "mesh")
LEAST_SHARDED = 4096  # leaves of fewer numbers are whole on every device
Step = Callable[[Any, Batch], Any]


class PlacedBatch(dict):
    """Arrays on the devices, of which the first ``examples`` rows are the batch and the rest is padding."""

    def __init__(self, arrays: Mapping[str, jax.Array], examples: int):
        super().__init__(arrays)
        self.examples = examples


class _Compiled:
    """``step(state, batch)`` for a placed batch; ``lower`` gives its programs, before XLA compiles them."""

    def __init__(self, run: Callable[..., Any], lower: Callable[..., list[jax.stages.Lowered]]):
        self._run, self.lower = run, lower

    def __call__(self, state: Any, batch: PlacedBatch) -> Any:
        return self._run(state, batch)


class Single:
    """One device."""

    kind = "single"

    def __init__(self, device: jax.Device):
        self.devices = [device]

    def __str__(self) -> str:
        return "single"

    def put(self, tree: Any) -> Any:
        """A copy of ``tree`` where the step wants it; the step may then donate it."""
        return jax.device_put(jax.tree.map(jnp.copy, tree), self.devices[0])

    def padded(self, examples: int) -> int:
        """The rows of a batch of so many examples, with those that fill it up."""
        return examples

    def share(self, rows: int) -> slice:
        """Those of a batch's rows, padding included, that this process has to hand to ``place``."""
        return slice(0, rows)

    def place(self, batch: Batch, *, examples: int | None = None) -> PlacedBatch:
        """``batch`` on the device."""
        return PlacedBatch(jax.device_put(dict(batch), self.devices[0]), examples or _rows(batch))

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step`` as it is, jitted if it was not."""
        jitted = step if hasattr(step, "__wrapped__") else jax.jit(step, donate_argnums=0 if donate else ())
        return _Compiled(
            lambda state, batch: jitted(state, dict(batch)), lambda state, batch: [jitted.lower(state, dict(batch))]
        )


class _Several:
    """Several devices, of this process or of all: a mesh, and what a batch's rows are divided over."""

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        self.devices = list(mesh.devices.flat)
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.by_rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))

    def __str__(self) -> str:
        return self.kind

    def sharding(self, leaf: Any) -> NamedSharding:
        """Where a leaf of the state lies: whole on every device."""
        return self.whole

    def put(self, tree: Any) -> Any:
        """A copy of ``tree`` where the step wants it, the same in every process; the step may then donate it."""
        return _typed(jax.tree.map(self._put, _bare(tree)))

    def padded(self, examples: int) -> int:
        """The rows of a batch of so many examples, with those that fill it up to as many for each device."""
        return _up_to_multiple(examples, len(self.devices))

    def share(self, rows: int) -> slice:
        """Those of a batch's rows, padding included, that this process has to hand to ``place``."""
        each = rows // jax.process_count()
        return slice(jax.process_index() * each, (jax.process_index() + 1) * each)

    def place(self, batch: Batch, *, examples: int | None = None) -> PlacedBatch:
        """``batch`` divided among the devices.

        With one process it is the whole batch; if its rows do not divide, it is filled up with zeros that
        ``mask: bool[rows]`` leaves out. With several it is this process's ``share`` of the padded batch, and
        ``examples`` says how many rows of the whole are no padding.
        """
        several = jax.process_count() > 1
        rows = _rows(batch)
        examples = examples or rows * jax.process_count()
        if not several:
            batch = _fill(dict(batch), self.padded(rows), np)
        elif rows * jax.process_count() != self.padded(examples):
            raise UserError(
                f"each of {jax.process_count()} processes must place {self.padded(examples) // jax.process_count()} "
                f"rows of a batch of {examples}, got {rows}."
            )
        return PlacedBatch({name: self._place(np.asarray(array)) for name, array in batch.items()}, examples)

    def _place(self, rows: np.ndarray) -> jax.Array:
        return jax.make_array_from_process_local_data(self.by_rows, rows)

    def _put(self, leaf: Any) -> jax.Array:
        sharding = self.sharding(leaf)
        if sharding.is_fully_addressable:
            return jax.device_put(jnp.copy(leaf), sharding)
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

    def _prepare(self, step: TrainStep, key: jax.Array, number: jax.Array, batch: Batch, examples: int) -> Batch:
        """What ``step.prepare`` makes of the batch without padding, padded so that every part of it divides."""
        if _rows(batch) != examples:
            batch = {name: array[:examples] for name, array in batch.items()}
        batch = step.prepare(key, number, batch)
        batch = _fill(batch, _up_to_multiple(examples, len(self.devices) * step.parts), jnp)
        return jax.lax.with_sharding_constraint(batch, self.by_rows)


class MeshOfDevices(_Several):
    """``jit`` over a mesh with the axes ``data`` and ``fsdp``: XLA divides the work as the arrays are divided.

    A batch's rows are divided over both axes. A large leaf of the state is divided over ``fsdp`` along its longest
    axis that divides, and gathered where the step uses it (Rajbhandari et al. 2020, stage 3).
    """

    kind = "mesh"

    def __str__(self) -> str:
        return "mesh " + ",".join(f"{name}={size}" for name, size in self.mesh.shape.items())

    def sharding(self, leaf: Any) -> NamedSharding:
        """Where a leaf of the state lies: in parts over ``fsdp``, or whole where it is small or does not divide."""
        parts = self.mesh.shape["fsdp"]
        axes = [axis for axis, length in enumerate(leaf.shape) if length % parts == 0]
        if parts == 1 or not axes or leaf.size < LEAST_SHARDED:
            return self.whole
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * longest, "fsdp"))

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step(state, batch)`` for what ``put`` and ``place`` return.

        A ``TrainStep`` donates its state. A function of one's own is written as for a single device: it is given the
        whole of each leaf, and what it returns is laid where ``put`` would lay it.
        """
        if isinstance(step, TrainStep):

            @partial(jax.jit, donate_argnums=0, static_argnames="examples")
            def train(state: Any, batch: Batch, examples: int) -> tuple[Any, Any]:
                batch = self._prepare(step, state.key, state.step, batch, examples)
                gather = self._gather if self.mesh.shape["fsdp"] > 1 else None
                return self._laid_out(step.update(state, batch, gather=gather))

            return _Compiled(
                lambda state, batch: train(state, dict(batch), examples=batch.examples),
                lambda state, batch: [train.lower(state, dict(batch), examples=batch.examples)],
            )
        pure = getattr(step, "__wrapped__", step)

        @partial(jax.jit, donate_argnums=0 if donate else ())
        def run(state: Any, batch: Batch) -> Any:
            return self._laid_out(pure(jax.lax.with_sharding_constraint(state, self.whole), batch))

        return _Compiled(
            lambda state, batch: run(state, dict(batch)), lambda state, batch: [run.lower(state, dict(batch))]
        )

    def _laid_out(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf)), tree)

    def _gather(self, params: Any) -> Any:
        def whole(leaf: jax.Array) -> jax.Array:
            return checkpoint_name(jax.lax.with_sharding_constraint(leaf, self.whole), GATHERED)

        return jax.tree.map(whole, params)


class Replicas(_Several):
    """``jax.pmap``: a replica of the step and of the state on each device, sums taken over the axis "batch"."""

    kind = "pmap"

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step(state, batch)`` for what ``put`` and ``place`` return.

        A ``TrainStep`` donates its state. A function of one's own runs once a device, on its rows, and has to return
        the same on each: ``jaxdl.train.across.across`` sums over them.
        """
        if not isinstance(step, TrainStep):
            return self._pmapped(getattr(step, "__wrapped__", step), donate=donate)

        @partial(jax.jit, static_argnames="examples")
        def prepare(key: jax.Array, number: jax.Array, batch: Batch, examples: int) -> Batch:
            joined = {name: array.reshape(-1, *array.shape[2:]) for name, array in batch.items()}
            return self._divided(self._prepare(step, key, number, joined, examples))

        def prepared(prepare: Callable[..., Any], state: Any, batch: PlacedBatch) -> Any:
            return prepare(state.key, state.step, dict(batch), examples=batch.examples)

        update = self._pmapped(step.update, donate=True)
        return _Compiled(
            lambda state, batch: update(state, prepared(prepare, state, batch)),
            lambda state, batch: [
                prepared(prepare.lower, state, batch),
                *update.lower(state, prepared(prepare, state, batch)),
            ],
        )

    def _place(self, rows: np.ndarray) -> jax.Array:
        local = sum(device.process_index == jax.process_index() for device in self.devices)
        return super()._place(rows.reshape(local, -1, *rows.shape[1:]))

    def _divided(self, batch: Batch) -> Batch:
        count = len(self.devices)
        batch = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in batch.items()}
        return jax.lax.with_sharding_constraint(batch, self.by_rows)

    def _pmapped(self, function: Step, *, donate: bool) -> Step:
        def replica(state: Any, batch: Batch) -> Any:
            return _bare(function(_typed(state), batch))

        replicas = jax.pmap(
            replica, AXIS, in_axes=(None, 0), out_axes=None, devices=self.devices, donate_argnums=0 if donate else ()
        )

        def run(state: Any, batch: Batch) -> Any:
            result = replicas(_bare(state), dict(batch))
            return _typed(jax.tree.map(self._joined, result) if jax.process_count() > 1 else result)

        return _Compiled(run, lambda state, batch: [replicas.lower(_bare(state), dict(batch))])

    def _joined(self, leaf: jax.Array) -> jax.Array:
        """This process's copies of a leaf as its part of one array of all processes."""
        copies = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, self.whole, copies)


Devices = Single | Replicas | MeshOfDevices


def single(device: jax.Device | None = None) -> Single:
    """The step on one device, by default the first. Raises UserError where there are several processes."""
    if jax.process_count() > 1:
        raise UserError(f"a single device cannot serve {jax.process_count()} processes; choose pmap or mesh.")
    return Single(device or jax.devices()[0])


def pmap(devices: Sequence[jax.Device] | None = None) -> Replicas:
    """The step under ``jax.pmap`` on ``devices``, by default all of all processes."""
    return Replicas(Mesh(np.array(_ordered(devices)), (AXIS,)))


def mesh(*, data: int | None = None, fsdp: int = 1, devices: Sequence[jax.Device] | None = None) -> MeshOfDevices:
    """The step over a mesh of ``data`` times ``fsdp`` of ``devices``, by default as many as there are.

    Raises UserError where they are more than there are, or leave a process without one.
    """
    found = _ordered(devices)
    data = max(len(found) // fsdp, 1) if data is None else data
    if data < 1 or fsdp < 1 or data * fsdp > len(found) or (jax.process_count() > 1 and data * fsdp < len(found)):
        raise UserError(
            f"a mesh of data={data} times fsdp={fsdp} devices does not fit the {len(found)} there are; choose another "
            "mesh, or another parallel."
        )
    return MeshOfDevices(Mesh(np.array(found[: data * fsdp]).reshape(data, fsdp), ("data", "fsdp")))


def choose(kind: str = "auto", *, data: int | None = None, fsdp: int = 1) -> Devices:
    """``single``, ``pmap`` or ``mesh`` by name; ``auto`` is a mesh of all accelerators, or the one CPU.

    data, fsdp: of the mesh. Raises UserError for an unknown name, and for a shape where it is no mesh.
    """
    if kind not in KINDS:
        raise unknown("parallel", kind, KINDS)
    shaped = data is not None or fsdp != 1
    if kind == "auto":
        alone = jax.process_count() == 1 and (len(jax.devices()) == 1 or jax.default_backend() == "cpu")
        kind = "single" if alone and not shaped else "mesh"
    if shaped and kind != "mesh":
        raise UserError(f"a shape of the mesh is given, but parallel is {kind}.")
    return {"single": single, "pmap": pmap, "mesh": partial(mesh, data=data, fsdp=fsdp)}[kind]()


@flax.struct.dataclass
class _KeyData:
    """A typed key as the plain array in it: ``pmap`` takes typed keys from process to process through the host."""

    data: jax.Array
    implementation: Any = flax.struct.field(pytree_node=False)


def _bare(tree: Any) -> Any:
    def bare(leaf: Any) -> Any:
        typed = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return _KeyData(jax.random.key_data(leaf), jax.random.key_impl(leaf)) if typed else leaf

    return jax.tree.map(bare, tree)


def _typed(tree: Any) -> Any:
    def typed(leaf: Any) -> Any:
        return jax.random.wrap_key_data(leaf.data, impl=leaf.implementation) if isinstance(leaf, _KeyData) else leaf

    return jax.tree.map(typed, tree, is_leaf=lambda leaf: isinstance(leaf, _KeyData))


def _ordered(devices: Sequence[jax.Device] | None) -> list[jax.Device]:
    """All of one process before those of the next, so that each process has consecutive rows of a batch."""
    found = jax.devices() if devices is None else devices
    return sorted(found, key=lambda device: (device.process_index, device.id))


def _rows(batch: Batch) -> int:
    return len(batch["labels"])


def _up_to_multiple(number: int, of: int) -> int:
    return -(-number // of) * of


def _fill(batch: Batch, rows: int, numpy: Any) -> dict[str, Any]:
    """``batch`` with zeros up to so many rows, and a mask that leaves them out; unchanged if it has as many."""
    missing = rows - _rows(batch)
    if not missing:
        return dict(batch)
    batch = {"mask": numpy.ones(_rows(batch), bool), **batch}
    return {name: numpy.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for name, array in batch.items()}
