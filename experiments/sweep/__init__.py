"""Many runs of ``experiments.cifar`` that differ in numbers alone, trained in one compiled program."""
