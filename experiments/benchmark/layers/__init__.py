"""Where the time of a training step goes, layer by layer."""

FLAGS = {"layers": ("model", "rounds", "batch_size")}
CONTESTANTS = {"layers": {}}  # all is measured in the process of the benchmark
