"""Errors a user can act on: each message says the value, the allowed range and the remedy, in one line."""

from __future__ import annotations


class BrainmidiError(Exception):
    """Base of every error that brainmidi raises on purpose; the command line prints it and exits with code 2.

    Parameters
    ----------
    message : str
        One line: the offending value, what is allowed, and what to do about it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ConfigError(BrainmidiError):
    """A value in ``session.toml`` or on the command line is not allowed."""


class SourceError(BrainmidiError):
    """A board, recording or simulated brain cannot be opened or read."""


class SignalError(BrainmidiError):
    """Samples cannot be conditioned or turned into features (rate too low, no EEG channel)."""


class ControlError(BrainmidiError):
    """A baseline, profile or mapping is not usable."""


class CodecError(BrainmidiError):
    """A phrase cannot be written as tokens, or tokens do not spell a phrase."""


class ModelError(BrainmidiError):
    """A checkpoint is missing, damaged or does not fit its configuration."""


class MusicError(BrainmidiError):
    """A key, chord, metre or tempo cannot be understood."""


class MidiError(BrainmidiError):
    """A MIDI port, player process or MIDI file failed."""


class NotationError(BrainmidiError):
    """A score cannot be engraved."""
