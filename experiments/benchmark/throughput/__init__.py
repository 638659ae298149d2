"""Images a second: of training beside plain Flax and PyTorch, of the input alone beside torchvision."""
