"""The commands, their arguments and their help; the README's reference is generated from here.

Covers: the shape of the command line. Does not cover: checking what only the engine knows.
Standard library only, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

MODEL_HELP = (
    "sample:NAME, a Hub id with optional @revision, a folder, a ZIP of one, or an .onnx file"
)


class Parser(argparse.ArgumentParser):
    """An argparse parser that knows near misses and says one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print one sentence and leave with exit status 2."""
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def build() -> Parser:
    """The whole command line."""
    parser = Parser(prog="wizard", description="From a model to one that keeps its promise.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _app(commands)
    _look_ups(commands)
    _inspect(commands)
    _plan(commands)
    _run(commands)
    _compare(commands)
    _verify(commands)
    _jobs(commands)
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Arguments as a namespace with `command`, `json` and `quiet` always set."""
    parser = build()
    options = parser.parse_args(arguments)
    if options.version:
        from wizard import __version__

        parser.exit(0, f"wizard {__version__}\n")
    if options.command is None:
        parser.print_help()
        parser.exit(0)
    return options


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse names its type no other way


def _add(commands: Commands[Parser], name: str, sentence: str) -> Parser:
    command = commands.add_parser(name, help=sentence, description=sentence)
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return command


def _app(commands: Commands[Parser]) -> None:
    app = _add(commands, "app", "open the web app")
    app.add_argument("--host", default="127.0.0.1", help="address to listen on")
    app.add_argument("--port", type=int, help="port to listen on (default: 7860 or the next free)")
    app.add_argument("--hosted", action="store_true", help="for strangers: no local folders")
    app.add_argument("--no-browser", action="store_true", help="do not open a browser window")


def _look_ups(commands: Commands[Parser]) -> None:
    _add(commands, "doctor", "what works on this machine, and the fix for what does not")
    for name, sentence in (
        ("samples", "the bundled models"),
        ("devices", "the devices we know"),
        ("strategies", "the techniques we have"),
        ("rules", "the expert advice we follow"),
    ):
        command = _add(commands, name, sentence)
        command.add_argument("id", nargs="?", help="one entry in full")
    check = _add(
        commands, "check-presets", "hold the rules against the bundled models, and note it"
    )
    for name, which in (("sample", "on this one"), ("rule", "this one")):
        check.add_argument(
            f"--{name}", action="append", metavar="ID", help=f"only {which} (may be repeated)"
        )


def _inspect(commands: Commands[Parser]) -> None:
    command = _add(commands, "inspect", "the model card from its config alone")
    command.add_argument("model", help=MODEL_HELP)
    command.add_argument("--tokens", type=int, help="tokens of one request")


def _needs(command: Parser) -> None:
    command.add_argument("model", help=MODEL_HELP)
    _contract(command)
    command.add_argument("--only", metavar="STRATEGY", help="try this technique and no other")
    command.add_argument(
        "--no-improve",
        dest="improve",
        action="store_false",
        help="stop once the contract is kept, even if a recipe left may do better",
    )
    command.add_argument(
        "--afresh", action="store_true", help="measure again what earlier jobs have measured"
    )
    command.add_argument(
        "--sibling", metavar="MODEL", help="measure this smaller published model too"
    )


def _contract(command: Parser) -> None:
    command.add_argument("--device", default="this-machine", help="device id (wizard devices)")
    command.add_argument("--latency-ms", type=float, help="at most so many ms per request")
    command.add_argument(
        "--token-ms", type=float, help="at most so many ms per further token, of models that write"
    )
    command.add_argument(
        "--percentile", type=int, choices=(50, 95), default=50, help="of the latency clause"
    )
    command.add_argument("--max-drop", type=float, default=1.0, help="points of quality to lose")
    command.add_argument("--metric", help="of quality, instead of the one the examples suggest")
    command.add_argument("--size-mb", type=float, help="at most so many MB of file")
    command.add_argument("--memory-mb", type=float, help="at most so many MB of memory")
    command.add_argument("--priority", choices=("fastest", "smallest", "safest"), default="fastest")
    command.add_argument("--minutes", type=float, default=10.0, help="for the whole job")
    command.add_argument(
        "--data",
        default="sample",
        help="sample, a CSV / JSONL / Parquet / ZIP file, or hub:ID[:CONFIG][:SPLIT]",
    )
    command.add_argument(
        "--labels",
        choices=("name", "index"),
        default="name",
        help="numbers in the data are names, or positions in the model's list",
    )
    command.add_argument(
        "--columns",
        metavar="text=COLUMN",
        nargs="+",
        default=[],
        help="which column is read as what, where names do not tell",
    )
    command.add_argument("--calibration", metavar="FILE", help="other examples, to calibrate with")
    command.add_argument("--tokens", type=int, help="tokens of one request")
    command.add_argument("--seed", type=int, default=0)


def _plan(commands: Commands[Parser]) -> None:
    command = _add(commands, "plan", "candidates, forecasts, reasons, refusals")
    _needs(command)
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="try them on random weights: size and speed measured, nothing downloaded",
    )


def _run(commands: Commands[Parser]) -> None:
    command = _add(commands, "run", "the whole job; writes the bundle to a folder")
    _needs(command)
    command.add_argument("--out", required=True, help="folder for the bundle (new or empty)")


def _compare(commands: Commands[Parser]) -> None:
    sentence = "two models or bundles, same measurements and verdict; or a job by other limits"
    command = _add(commands, "compare", sentence)
    command.add_argument("before", help="a model, a bundle's folder, an .onnx file, or a job's id")
    command.add_argument("after", nargs="?", help="the same kinds; left out for a job")
    command.add_argument("--model", help="whose labels and tokenizer hold, for bare .onnx files")
    command.add_argument("--out", help="for a job: accept these limits, write its bundle here")
    _contract(command)
    # A job keeps its own device and sibling.
    command.set_defaults(only=None, improve=False, afresh=False, sibling=None, device=None)


def _verify(commands: Commands[Parser]) -> None:
    command = _add(commands, "verify", "re-open a bundle, audit it and check its hashes")
    command.add_argument("bundle", help="the bundle's folder")
    command.add_argument("--receipt", help="what check.py printed on your device")


def _jobs(commands: Commands[Parser]) -> None:
    command = _add(commands, "jobs", "history; follow or cancel a job")
    command.add_argument("id", nargs="?", help="follow this job")
    command.add_argument("--cancel", action="store_true", help="stop it")
