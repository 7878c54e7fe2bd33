"""Compression Wizard: from a model to a compressed one that keeps its contract."""
