"""The command line. A command is imported when it is called: ``--help`` costs nothing.

Every `EdgeclsError` ends here, as two lines on stderr: exit status 2 for usage, 1 for failure.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

import click

from edgecls import __version__

# name -> (module of edgecls.cli, what --help says)
COMMANDS = {
    "run": ("run", "The whole job: images in, verified and measured models and a report out."),
    "init": ("run", "Write a commented recipe."),
    "data": ("data", "Look at images before anything is trained on them."),
    "train": ("methods", "Train a net from fresh weights."),
    "finetune": ("methods", "Train a net that begins with pretrained weights."),
    "distill": ("methods", "Train a small net to answer as a teacher does."),
    "prune": ("methods", "Cut channels until a model is as small or as quick as asked."),
    "sparsify": ("methods", "Set single weights to zero: smaller downloads, quick on few chips."),
    "qat": ("methods", "Train a model for int8, with its own float answers as the teacher."),
    "export": ("bundles", "Convert a checkpoint for a target and package it as a bundle."),
    "quantize": ("quantize", "Convert a checkpoint to int8: remedies, diagnosis, bounded loss."),
    "verify": ("bundles", "Prove that a bundle is whole and still answers as it should."),
    "predict": ("bundles", "Classify images with a bundle."),
    "bench": ("bench", "Measure bundles side by side."),
    "evaluate": ("evaluate", "Score a model on images it has not seen; folds; learning curve."),
    "kit": ("kit", "Write out the sources that run a bundle in C++, Kotlin or Swift."),
    "report": ("run", "Write a run's report again, or compare several runs in one page."),
    "compare": ("compare", "Compare two runs row by row: the gate of a CI."),
    "models": ("models", "Every architecture, with its parameters and multiply-accumulates."),
    "targets": ("targets", "What this machine can convert to, compile and run, and why not."),
    "doctor": ("doctor", "What is installed, what fits together, and what mends it."),
}

_GOES_ON = "the same command goes on where it was"
# name -> what is left of a command's work when it is stopped; of the others nothing is.
KEPT = dict.fromkeys(
    ("run", "train", "finetune", "distill", "prune", "sparsify", "qat"), _GOES_ON
) | {
    "export": "no bundle was written but, with --target all, those that were finished: the same"
    " command goes on with the others",
    "quantize": "nothing was written; the finished steps of --max-drop are kept for the same"
    " command",
    "evaluate": "no result was written; the finished trainings of --folds and --learning-curve are"
    " kept for the same command",
    "bench": "nothing was written, and what was measured is not kept",
}
_RIGHTS = "give yourself the right to, or choose another folder"
# What may happen to files in the middle of the work, and what helps.
CURES = {
    errno.ENOSPC: "free some space, and give the same command again",
    errno.EDQUOT: "free some space, and give the same command again",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "look at the disk, or choose a folder on another one",
}


class LazyGroup(click.Group):
    """Commands by name, imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"edgecls.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from edgecls.errors import unknown_name

        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise unknown_name("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecls")
def cli() -> None:
    """From a folder of images to a verified, measured, packaged classifier for a device."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler or a container sends it: what is at work is left as by Ctrl-C."""


_PROCESS = os.getpid()


def _terminate(number: int, frame: object) -> None:
    if os.getpid() != _PROCESS:  # a library's own process, forked from this one: it just ends
        os._exit(128 + number)
    raise Terminated


def _command(arguments: Sequence[str]) -> str:
    """The name of the command: the group's own options have no values."""
    return next((word for word in arguments if not word.startswith("-")), "")


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    from edgecls.errors import EdgeclsError, UsageError

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)

    # The last search for garbage among PyTorch's objects takes seconds, and frees nothing of use.
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name or a sign that the terminal's encoding lacks is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = cli.main(arguments, prog_name="edgecls", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as stop:
        kept = KEPT.get(_command(sys.argv[1:] if arguments is None else arguments))
        click.echo(f"stopped: {kept}" if kept else "stopped", err=True)
        # click gives an Abort that came from the interruption.
        sys.exit(143 if Terminated in (type(stop), type(stop.__cause__)) else 130)
    except EdgeclsError as error:
        click.echo(f"error: {error.cause}", err=True)
        if error.fix:
            click.echo(f"  fix: {error.fix}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        # A full disk or a missing right: the system's own words name the file and the cause.
        click.echo(f"error: {error}", err=True)
        if error.errno in CURES:
            click.echo(f"  fix: {CURES[error.errno]}", err=True)
        sys.exit(1)
