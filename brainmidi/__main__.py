"""``python -m brainmidi``: the command line, also from a checkout that is not installed."""

from brainmidi.cli.main import main

main()
