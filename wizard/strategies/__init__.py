"""Techniques, one per file, all run the same way by `_contract`."""
