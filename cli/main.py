"""Entry point of the command `darkhorn`: finds the command, and turns every error into a message and an exit status.

Exit status: 0 done; 1 a failure of ours; 2 usage; 3 bad card or bad input file; 4 cannot write; 5 validation failed;
75 interrupted but resumable; 130 Ctrl-C.
"""

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from darkhorn.cli.messages import Settings, say, settings_options
from darkhorn.kernels.errors import DarkhornError, OutputError, did_you_mean

# Modules of commands import what they need inside their functions, so that help never loads jax, numpy or h5py.
SECTIONS = {
    "Physics": ("generate", "rate", "scan", "xsec", "widths", "flux"),
    "Event files": ("info", "plot", "convert", "validate", "unweight", "reweight", "merge", "cite"),
    "Getting started": ("cards", "doctor"),
}
INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class Commands(click.Group):
    """A group whose commands live in `darkhorn.cli.<name>`, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of the help."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"darkhorn.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with a suggestion for a command that is not known."""
        name = str(args[0]) if args else ""
        if args and self.get_command(ctx, name) is None and not name.startswith("-"):
            near = did_you_mean(name, self.list_commands(ctx)).strip()
            ctx.fail(f"No such command '{name}'. {near or 'See darkhorn --help.'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, each with the first sentence of its help."""
        for title, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                rows.append((name, command.get_short_help_str(100)))
            with formatter.section(title):
                formatter.write_dl(rows)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from darkhorn import __version__

        click.echo(f"darkhorn {__version__}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  darkhorn rate microboone                          expected events
  darkhorn generate microboone -o events.h5         the events themselves
  darkhorn generate microboone --set "model.m4=120 MeV" -n 1000000 -o events.hepmc3.gz
  darkhorn cards show microboone > mine.yaml        a card of your own to edit
`darkhorn COMMAND --help` has the options and examples of a command.""",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Monte Carlo of dark-sector signals at neutrino beams.

    CARD is the path of a run card, the name of a card that ships with darkhorn (see `darkhorn cards`), an event file of
    darkhorn (its card is taken), or `-` for standard input. Results go to standard output; log, progress and errors to
    standard error.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


cli.params += settings_options()


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process); returns its exit status. Never raises for an error."""
    settings = Settings()
    before, warnings.showwarning = warnings.showwarning, _show_warning
    try:
        return _run(arguments, settings)
    finally:
        warnings.showwarning = before


def _run(arguments: Sequence[str] | None, settings: Settings) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="darkhorn", standalone_mode=False, obj=settings)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        if error.ctx is not None:
            say(f"{error.ctx.get_usage()}\nTry `{error.ctx.command_path} --help`.")
        say(f"darkhorn: error: {error.format_message()}")
        return error.exit_code
    except click.ClickException as error:
        say(f"darkhorn: error: {error.format_message()}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("darkhorn: interrupted")
        return INTERRUPTED
    except DarkhornError as error:
        if settings.verbose:
            say(traceback.format_exc())
        say(f"darkhorn: error: {error}")
        return error.exit_code
    except SystemExit as end:  # click's way of saying that the reader of standard output has gone
        _forget_stdout()
        return 0 if end.code in (None, 1) else int(end.code)
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _our_failure(error, settings)
        _forget_stdout()
        say(f"darkhorn: error: {error.filename or 'standard output'}: cannot be written: {error.strerror}")
        return OutputError.exit_code
    except MemoryError:
        say("darkhorn: error: not enough memory. Ask for less at a time, for example with --shard.")
        return 1
    except Exception as error:
        return _our_failure(error, settings)


def _our_failure(error: Exception, settings: Settings) -> int:
    if settings.verbose:
        say(traceback.format_exc())
    what = str(error).strip() or "no message"
    if "RESOURCE_EXHAUSTED" in what:
        say(f"darkhorn: error: the device is out of memory. Try --device cpu. ({what.splitlines()[0]})")
        return 1
    hint = "the text above" if settings.verbose else "the output of the same command with -v"
    say(
        f"darkhorn: error: {type(error).__name__}: {what}\n"
        f"This is a failure of darkhorn, not yours. Please report it with {hint} and that of `darkhorn doctor`."
    )
    return 1


def _forget_stdout() -> None:
    """Nobody reads standard output any more: let Python's last flush go nowhere."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _show_warning(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    if "persistent compilation cache" not in str(message):  # a cache that cannot be used costs time, nothing else
        say(f"darkhorn: warning: {message}")


def main() -> NoReturn:
    """The command `darkhorn`."""
    raise SystemExit(run())
