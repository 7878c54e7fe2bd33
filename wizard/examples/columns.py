"""Which column is read as what: by what the user said, else by its name.

Covers: the names that go for one thing, what a user may name, a stated column that is not there.
Does not cover: the names themselves (tasks), columns known by their kind (hub_rows.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wizard.errors import ColumnNotThere, ColumnRoleUnknown

NOTHING: Mapping[str, str] = MappingProxyType({})  # was said


def stated(columns: Mapping[str, str], known: Sequence[str]) -> str | None:
    """The column that the user named for what goes by one of the `known` names."""
    return next((column for role, column in columns.items() if role in known), None)


def check(columns: Mapping[str, str], roles: Sequence[Sequence[str]], origin: str) -> None:
    """Raises ColumnRoleUnknown where something was named that this task does not read."""
    every = {name for known in roles for name in known}
    for role in columns:
        if role not in every:
            names = ", ".join(dict.fromkeys(known[0] for known in roles if known))
            raise ColumnRoleUnknown(path=origin, role=role, roles=names)


def guess(
    names: Sequence[str], known: Sequence[str], columns: Mapping[str, str], origin: str
) -> str | None:
    """The column for what goes by the `known` names, best first, whatever their case.

    Raises ColumnNotThere where the user named one that is not there.
    """
    lowered = {name.casefold(): name for name in names}
    wanted = stated(columns, known)
    if wanted is None:
        return next((lowered[name] for name in known if name in lowered), None)
    found = wanted if wanted in names else lowered.get(wanted.casefold())
    if found is None:
        raise ColumnNotThere(path=origin, column=wanted, columns=", ".join(names[:12]))
    return found
