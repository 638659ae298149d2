"""Image-classification research in JAX: pure models, jitted steps, exact resumption."""

__version__ = "0.1.0"
