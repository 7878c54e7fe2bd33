"""Door one: the same seven functions, as commands.

Covers: reading arguments, calling the engine, printing. Results go to stdout, progress to
stderr; `--json` for machines, `--quiet` for silence.
Does not cover: any decision about a model.

Exit codes: 0 contract kept; 3 missed (nearest miss written); 4 cannot tell; 2 bad input or
refused (one sentence, no traceback); 1 our bug.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wizard.cli.parser import parse
from wizard.errors import WizardError

# What these do first takes PyTorch, unless they did it before.
OPENS_A_MODEL = {"inspect", "plan", "run"}
OK, OUR_BUG, REFUSED, MISSED, CANNOT_TELL = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.command in OPENS_A_MODEL:
        from wizard import jobs

        jobs.get_ready()
    from wizard.cli import commands, show

    try:
        return commands.COMMANDS[options.command](options)
    except WizardError as error:
        return show.refusal(error, as_json=options.json)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        sys.stderr.close()
        return OK


if __name__ == "__main__":
    sys.exit(main())
