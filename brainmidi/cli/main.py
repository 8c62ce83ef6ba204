"""The command ``brainmidi``: gathers the subcommands and turns every error into one line and an exit code.

Exit codes: 0 done, 2 bad input (a :class:`~brainmidi.errors.BrainmidiError` or a wrong option), 130 interrupted where
nothing was being played. Ctrl-C during ``improv`` is the ordinary way to end a take: it ends with code 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

import brainmidi
from brainmidi.cli.calibrate import calibrate
from brainmidi.cli.checkpoints import checkpoints_app
from brainmidi.cli.continue_ import continue_
from brainmidi.cli.doctor import doctor
from brainmidi.cli.evaluate import evaluate_app
from brainmidi.cli.improv import improv
from brainmidi.cli.init import init
from brainmidi.cli.latent import latent_app
from brainmidi.cli.ports import ports
from brainmidi.cli.score import score
from brainmidi.cli.sham import sham
from brainmidi.cli.sources import sources
from brainmidi.cli.sweep import sweep
from brainmidi.cli.train import train_app
from brainmidi.errors import BrainmidiError

#: TensorFlow, its compiler and BrainFlow talk on stderr from their own threads unless told not to before they load.
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "KERAS_BACKEND": "tensorflow",
    "GRPC_VERBOSITY": "NONE",
}

app = typer.Typer(
    name="brainmidi",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command()(improv)
app.command()(score)
app.command("continue")(continue_)
app.command()(calibrate)
app.command()(sham)
app.command()(sources)
app.command()(ports)
app.command()(sweep)
app.command()(doctor)
app.command()(init)
app.add_typer(train_app)
app.add_typer(evaluate_app)
app.add_typer(checkpoints_app)
app.add_typer(latent_app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brainmidi {brainmidi.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """EEG steers a MusicVAE and a Music Transformer, played on a virtual MIDI port in real time."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; ``sys.argv[1:]`` by default.

    Raises
    ------
    SystemExit
        Always; its code is 0, 2 or 130 as the module says.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        code = app(None if arguments is None else list(arguments), prog_name="brainmidi", standalone_mode=False)
    except BrainmidiError as error:
        print(f"brainmidi: {error}", file=sys.stderr)
        sys.exit(2)
    except TyperException as error:  # a wrong option or command
        words = " ".join(error.format_message().split())
        print(f"brainmidi: {words} `brainmidi --help` lists what there is.", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("brainmidi: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
