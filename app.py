"""The Space's front step: serve the wizard where Hugging Face (or anybody) starts app.py."""

import os

from wizard import engine
from wizard.ui.app import serve

if __name__ == "__main__":
    on_space = "SPACE_ID" in os.environ
    serve(engine, host="0.0.0.0" if on_space else "127.0.0.1", hosted=on_space)  # noqa: S104
