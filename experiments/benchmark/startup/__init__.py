"""Seconds from nothing to the command's help and to the end of the first training step."""

MODEL = "quick_cnn"  # whose step it is, unless others are named
FLAGS = {"start": ("model", "contestants", "rounds", "batch_size", "precision", "augment", "threads")}
CONTESTANTS = {  # those of the throughput, as their processes begin
    "start": {
        "jaxdl": ".throughput.train_jaxdl.Training",
        "flax": ".throughput.train_flax.Training",
        "pytorch": ".throughput.train_pytorch.Training",
    }
}
OF_JAX = ("jaxdl", "flax")  # whose programs its cache keeps
