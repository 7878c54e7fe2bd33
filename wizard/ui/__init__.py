"""The web door: one file per wizard step."""
