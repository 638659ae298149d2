"""The course in JAX: ``lessons/`` to read and run, and what lists and runs them."""
