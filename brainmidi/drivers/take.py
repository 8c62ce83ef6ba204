"""A take as it grows: saved while it is played, told to whoever looks, and handed over whole at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from brainmidi.drivers.trace import Summary, TraceFile
from brainmidi.midi.capture import write_capture
from brainmidi.midi.files import write_midi
from brainmidi.midi.timetable import DEFAULT_CHANNELS, Channel
from brainmidi.types import Bar, MidiEvent

if TYPE_CHECKING:  # brings pychord, which the player's start does not wait for
    from brainmidi.music.harmony import Key

#: Called as each bar begins, with the worst lateness, in ms, of the bar before where that was measured.
OnBar = Callable[[Bar, float | None], None]

#: Bars up to which a take is saved with every bar. A longer one, which takes a millisecond a bar to write, is saved
#: every second bar from here, every third from twice as many, so that saving costs a small and steady share of a core.
_LONG = 128


@dataclass(frozen=True, slots=True)
class TakeFiles:
    """Where a take goes.

    Parameters
    ----------
    midi : Path
        The .mid file; a take is always saved.
    trace : Path or None
        A line of JSON for every bar.
    title : str
        Name of the take in the file.
    """

    midi: Path
    trace: Path | None = None
    title: str = "brainmidi"


@dataclass(frozen=True, slots=True)
class Take:
    """What was played.

    Parameters
    ----------
    bars : tuple of Bar
        As they sounded.
    end_beat : Fraction
        Where the take ended, which may lie within its last bar.
    metre, key : str
        As written.
    summary : Summary
        The take in figures.
    """

    bars: tuple[Bar, ...]
    end_beat: Fraction
    metre: str
    key: str
    summary: Summary


class TakeKeeper:
    """Keeps the bars that have begun and saves as they do, since whatever happens next may end the process.

    Parameters
    ----------
    files : TakeFiles
        Where to.
    metre : str
        As written.
    key : Key
        Its signature stands in the file.
    channels : mapping of str to Channel
        MIDI channel of each part.
    on_bar : callable or None
        Told of every bar that begins.
    autosave : bool
        Whether :meth:`save` saves with every bar (a long take: every few bars); the end is saved in any case.
    more : callable or None
        From a bar to what else its line of the trace says; called once a bar, when the bar has ended.
    """

    def __init__(
        self,
        files: TakeFiles,
        *,
        metre: str,
        key: Key,
        channels: Mapping[str, Channel] = DEFAULT_CHANNELS,
        on_bar: OnBar | None = None,
        autosave: bool = True,
        more: Callable[[Bar], Mapping[str, Any]] | None = None,
    ) -> None:
        self._files = files
        self._metre, self._key = metre, key
        self._channels = channels
        self._on_bar = on_bar
        self._autosave = autosave
        self._more = more
        self._trace = TraceFile(files.trace)
        self._untold: tuple[Bar, float] | None = None
        self._n_saved = 0
        self.bars: list[Bar] = []
        self.performed: Sequence[MidiEvent] = ()  # what a performer played along

    def begun(self, bar: Bar, time_s: float, lateness_before_ms: float | None = None) -> None:
        """Take note that `bar` has begun.

        Parameters
        ----------
        bar : Bar
            What sounds.
        time_s : float
            Sample time of its first beat.
        lateness_before_ms : float or None
            Worst lateness of a message in the bar before it.
        """
        self._tell(lateness_before_ms)
        self._untold = (bar, time_s)
        self.bars.append(bar)
        if self._on_bar is not None:
            self._on_bar(bar, lateness_before_ms)

    def save(self) -> None:
        """Save the bars that have begun, where there are new ones and it is time to.

        Writing a long take takes a while. Call this where nobody waits: in the thread that neither composes nor reads
        the stream, and with no lock held. A bar that begins meanwhile is saved the next time.
        """
        bars = tuple(self.bars)
        if self._autosave and len(bars) - self._n_saved > len(bars) // _LONG:
            self._write(bars, None, None)
            self._n_saved = len(bars)

    def close(
        self,
        bars: Sequence[Bar],
        end_beat: Fraction,
        events: Sequence[MidiEvent] | None = None,
        tempi: Sequence[tuple[Fraction, float]] = (),
    ) -> tuple[str, ...]:
        """Save the whole take as it was played and end the trace; return the names of the files."""
        self._tell(None)
        self._write(bars, end_beat, events, tempi)
        names = [str(self._files.midi)]
        return tuple(names if self._files.trace is None else [*names, str(self._files.trace)])

    def save_what_there_is(self) -> None:
        """Save the bars that have begun, because the take ends in an error."""
        self._tell(None)
        self._write(self.bars, None, None)

    def capture(self, bars: Sequence[Bar]) -> Path:
        """Write `bars` into a new file beside the take's, with what was played along; return its name."""
        return write_capture(
            self._files.midi.parent,
            bars,
            metre=self._metre,
            sharps=self._key.sharps,
            minor=self._key.is_minor,
            performed=tuple(self.performed),
            channels=self._channels,
        )

    def __enter__(self) -> TakeKeeper:
        self._trace.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trace.__exit__(kind, error, trace)

    def _tell(self, lateness_ms: float | None) -> None:
        if self._untold is not None:
            more = None if self._more is None else self._more(self._untold[0])
            self._trace.write(*self._untold, lateness_ms, more)
            self._untold = None

    def _write(
        self,
        bars: Sequence[Bar],
        end_beat: Fraction | None,
        events: Sequence[MidiEvent] | None,
        tempi: Sequence[tuple[Fraction, float]] = (),
    ) -> None:
        write_midi(
            self._files.midi,
            bars,
            metre=self._metre,
            sharps=self._key.sharps,
            minor=self._key.is_minor,
            title=self._files.title,
            end_beat=end_beat,
            events=events,
            tempi=tempi,
            channels=self._channels,
            performed=tuple(self.performed),
            labels=self._labels(bars),
        )

    def _labels(self, bars: Sequence[Bar]) -> dict[str, list[tuple[Fraction, str]]]:
        """Return what stands over the oddball's notes in the file."""
        if "oddball" not in self._channels:
            return {}
        from brainmidi.music.oddball import PART, stimuli_of

        return {PART: [stimulus for bar in bars for stimulus in stimuli_of(bar, self._key)]}
