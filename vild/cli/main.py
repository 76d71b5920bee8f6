"""Which command was meant, and what becomes of its errors."""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import vild
from vild.cli import console
from vild.cli.convert import add_command as add_convert
from vild.cli.data import add_command as add_data
from vild.cli.detect import add_command as add_detect
from vild.cli.distill import add_command as add_distill
from vild.cli.embed import add_command as add_embed
from vild.cli.evaluate import add_command as add_evaluate
from vild.cli.finetune import add_command as add_finetune
from vild.cli.models import add_command as add_models
from vild.cli.proposals import add_command as add_proposals
from vild.cli.store import add_command as add_store
from vild.cli.train import add_command as add_train
from vild.errors import VildError

# What a shell reports for a command that a closed pipe or Ctrl-C has ended.
_PIPE_CLOSED = 141
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the `vild` command.

    Args:
        argv: the arguments after the command's name; None for those of the
            process.

    Returns:
        The exit code: 0; 1 if something a user can mend went wrong, which is
        said on stderr; 130 after Ctrl-C; 141 if the reader of the output left.

    Raises:
        SystemExit: with code 0 after `--help` and `--version`, with code 2 for
            arguments that cannot be understood.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
        vild 0.1.0
    """
    try:
        try:
            return _run(argv)
        finally:
            # A short text meets the closed pipe only now.
            sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """The arguments of `vild` and all its commands.

    Returns:
        A parser whose results carry the function to call as `run`.
    """
    parser = argparse.ArgumentParser(
        "vild",
        description="Open-vocabulary detection: name things in words, get boxes and "
        "masks.",
        epilog="`vild COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"vild {vild.__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_detect(commands)
    add_evaluate(commands)
    add_models(commands)
    add_convert(commands)
    add_data(commands)
    add_distill(commands)
    add_embed(commands)
    add_finetune(commands)
    add_proposals(commands)
    add_store(commands)
    add_train(commands)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    # A name may have letters that the terminal's encoding lacks.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = make_parser().parse_args(argv)
    # TensorFlow reads this when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        # Who asks Python for warnings by -W or PYTHONWARNINGS gets them as they are.
        if not sys.warnoptions:
            warnings.showwarning = _show_warning
        try:
            code: int = arguments.run(arguments)
        except VildError as error:
            console.error(error)
            code = 1
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Shows warnings of vild; those of frameworks mean nothing to a user."""
    if Path(filename).is_relative_to(Path(vild.__file__).parent):
        console.warning(message)
