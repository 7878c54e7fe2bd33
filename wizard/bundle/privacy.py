"""Takes the folders of whoever packed a bundle out of what goes into it.

Covers: the command, sentences that quote a path, configs that remember where they were saved.
Does not cover: tokens; no room of ours ever writes one.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path, PureWindowsPath

# An absolute path of Linux, macOS or Windows with at least two parts, outside of a web address.
ABSOLUTE = re.compile(r"(?<![\w/:.])(?:~/|/(?=[\w.-]+/)|[A-Za-z]:\\)[^\s'\"<>,;:]+")


def public_command(command: str) -> str:
    """The command without the folders of whoever ran it; paths become their last name."""
    return shlex.join(
        _last_name(word) if _is_local(word) else word for word in shlex.split(command)
    )


def without_folders(sentence: str) -> str:
    """The sentence with every absolute path cut to its last name."""
    return ABSOLUTE.sub(lambda found: _last_name(found.group()), sentence)


def carry(source: Path, target: Path) -> None:
    """Copy a model's own small file; a config forgets the folders it was saved from or to."""
    content = source.read_bytes()
    if source.suffix == ".json":
        content = _forgetful(content)
    target.write_bytes(content)


def _forgetful(content: bytes) -> bytes:
    """The same bytes when there is nothing to forget, or when it is no JSON at all."""
    try:
        settings = json.loads(content)
    except ValueError:
        return content
    if not isinstance(settings, dict):
        return content
    kept = {name: value for name, value in settings.items() if not _is_local(value)}
    if len(kept) == len(settings):
        return content
    return json.dumps(kept, ensure_ascii=False, indent=2).encode() + b"\n"


def _is_local(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.startswith(("/", "~", "./", "../")) or value[1:3] in {":\\", ":/"}


def _last_name(path: str) -> str:
    return PureWindowsPath(path).name or "folder"
