"""Commands, one a file: each has ``main(argv) -> exit status``."""
