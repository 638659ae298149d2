"""Many runs of ``jaxdl train`` that differ in numbers alone, trained in one compiled program."""
