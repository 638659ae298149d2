"""Images a second: of training beside plain Flax and PyTorch, of the input alone beside torchvision."""

INPUT_BATCH = 256  # images of the subject input, which has no network that says how many
FLAGS = {  # that each subject takes
    "train": ("model", "contestants", "rounds", "seconds", "batch_size", "precision", "augment", "threads"),
    "input": ("contestants", "rounds", "seconds", "batch_size", "threads"),
}
CONTESTANTS = {  # who takes part and is what here, ours first
    "train": {
        "jaxdl": "train_jaxdl.Training",
        "flax": "train_flax.Training",
        "pytorch": "train_pytorch.Training",
        "pytorch-cl": "train_pytorch.ChannelsLast",
        "pytorch-compile": "train_pytorch.Compiled",
    },
    "input": {"jaxdl": "input_jaxdl.Input", "torchvision": "input_torchvision.Input"},
}
