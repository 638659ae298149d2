"""The device that jax runs on, for the contestants that use jax."""

import jax

from experiments.benchmark import machine


def words() -> str:
    """``cpu``, or the accelerator's name."""
    device = jax.devices()[0]
    return "cpu" if device.platform == "cpu" else device.device_kind


def threads() -> int | None:
    """The cores that XLA divides its work among on CPU."""
    return machine.cores() if jax.default_backend() == "cpu" else None


def bytes_used() -> int | None:
    """The most memory of the accelerator that was ever in use; None on a CPU."""
    statistics = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return (statistics or {}).get("peak_bytes_in_use")
