"""What is asked of a bar in time, and what is told about it afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from brainmidi.codec.bars import PARTS, ScoreBar
from brainmidi.errors import MusicError
from brainmidi.types import Note


@dataclass(frozen=True, slots=True)
class BarRequest:
    """What the next bar is to be.

    Parameters
    ----------
    length : int
        Sixteenths, 1..16.
    chords : tuple of (int, int)
        Step and class (:mod:`brainmidi.codec.chords`) of each chord, the first at step 0.
    given : tuple of Note
        What other parts play in it, starts in beats from the bar line; put on the grid of sixteenths.
    write : tuple of str
        Parts that the model writes, of :data:`brainmidi.codec.bars.PARTS`. Parts neither given nor written are silent.
    start : int
        Sixteenth, 0..length, from which they may begin: what came before was played already.

    Raises
    ------
    MusicError
        If no part is to be written, one is unknown, or one is given too; or the start is outside the bar.
    CodecError
        If the length, a chord or a note has no word in the vocabulary.
    """

    length: int
    chords: tuple[tuple[int, int], ...]
    given: tuple[Note, ...] = ()
    write: tuple[str, ...] = ("accompaniment",)
    start: int = 0

    def __post_init__(self) -> None:
        if not self.write or not set(self.write) <= set(PARTS):
            raise MusicError(f"parts {self.write} cannot be written; name one or more of {', '.join(PARTS)}")
        if twice := {note.part for note in self.given} & set(self.write):
            raise MusicError(f"part {min(twice)} is given and to be written; leave one out")
        ScoreBar(self.length, self.chords, self.given)
        if not 0 <= self.start <= self.length:
            raise MusicError(
                f"start {self.start} is outside 0..{self.length}, the bar's sixteenths; begin within the bar"
            )


@dataclass(frozen=True, slots=True)
class Report:
    """How a bar was made.

    Parameters
    ----------
    tokens : int
        How many the model heard, those among them that were thrown away.
    seconds : float
        From the request to now, by the deadline's clock.
    share : float
        What share of the time up to the deadline that is.
    cut_short : bool
        Whether the deadline came before the model had said all that it wanted.
    entropy : float
        Mean entropy, in nats, of the distributions that were drawn from; 0 where none was.
    """

    tokens: int
    seconds: float
    share: float
    cut_short: bool
    entropy: float
