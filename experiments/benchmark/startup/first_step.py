"""From nothing to the end of the first training step, with all that the command imports."""

from experiments.benchmark.throughput.train_jaxdl import Training


class Start(Training):
    """The training of ``train``; the imports of the command, above, are a part of what is measured."""
