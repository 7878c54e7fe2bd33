"""Numbers read from files and runs: speed, memory, quality, audit."""
