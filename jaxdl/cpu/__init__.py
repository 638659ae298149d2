"""Special treatment of CPUs: compiler options, convolutions, loops and memory. Elsewhere it changes nothing."""
