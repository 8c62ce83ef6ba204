"""Keys, modes, chords and progressions: which tones may sound when.

A progression is written as chord symbols. Without a bar line each chord lasts a bar: ``"Dm7 G7 Cmaj7"`` is three
bars. With ``|`` the chords between two bar lines share that bar, on its beats: ``"Dm7 G7 | Cmaj7"`` is two bars. ``%``
repeats the bar before. The progression starts over when it ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from pychord import Chord as PychordChord

from brainmidi.errors import MusicError
from brainmidi.music.metre import STEPS_PER_BEAT, Metre

__all__ = ["MODES", "Chord", "Key", "Metre", "Progression", "Tones", "default_progression"]

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_LETTERS = "CDEFGAB"
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}


@dataclass(frozen=True, slots=True)
class _Mode:
    """A row of the table of modes: scale formula, signature against major, default chords as degrees."""

    formula: str
    fifths: int
    progression: str


#: Every mode by name. The formula counts degrees against the major scale; `fifths` is what the mode adds to its tonic's
#: major key signature; the progression writes degree and quality, eight bars that close on the tonic.
MODES: dict[str, _Mode] = {
    "major": _Mode("1 2 3 4 5 6 7", 0, "1 6m 4 5 6m 4 5 1"),
    "minor": _Mode("1 2 b3 4 5 b6 b7", -3, "1m b6 b3 b7 1m 4m 5m 1m"),
    "dorian": _Mode("1 2 b3 4 5 6 b7", -2, "1m7 4 1m7 b7 b3 b7 4 1m7"),
    "phrygian": _Mode("1 b2 b3 4 5 b6 b7", -4, "1m b2 1m b7m b6 b7m b2 1m"),
    "lydian": _Mode("1 2 3 #4 5 6 7", 1, "1 2 1 5 6m 2 5 1"),
    "mixolydian": _Mode("1 2 3 4 5 6 b7", -1, "1 b7 4 1 5m b7 4 1"),
    "locrian": _Mode("1 b2 b3 4 b5 b6 b7", -5, "1dim b2 1dim b7m b6 b2 b7m 1dim"),
    "harmonic minor": _Mode("1 2 b3 4 5 b6 7", -3, "1m 4m 1m 5 b6 4m 57 1m"),
    "melodic minor": _Mode("1 2 b3 4 5 6 7", -3, "1m 4 1m 5 1m 2m 57 1m"),
    "major pentatonic": _Mode("1 2 3 5 6", 0, "1 6m 4 5 6m 4 5 1"),
    "minor pentatonic": _Mode("1 b3 4 5 b7", -3, "1m b6 b3 b7 1m 4m 5m 1m"),
    "blues": _Mode("1 b3 4 b5 5 b7", -3, "17 57 47 47 17 57 17 17"),
}

_ALIASES = {
    "": "major",
    "maj": "major",
    "ionian": "major",
    "m": "minor",
    "min": "minor",
    "aeolian": "minor",
    "natural minor": "minor",
    "pentatonic": "major pentatonic",
    "pentatonic major": "major pentatonic",
    "pentatonic minor": "minor pentatonic",
}

# Spellings that pychord does not know, and those that it does.
_QUALITIES = {"min": "m", "mi": "m", "-": "m", "ma7": "maj7", "Δ": "maj7", "Δ7": "maj7", "min7": "m7", "mi7": "m7"}
_QUALITIES |= {"-7": "m7", "ø": "m7b5", "ø7": "m7b5", "°": "dim", "°7": "dim7", "o": "dim", "o7": "dim7", "+": "aug"}
_QUALITIES |= {"m(maj7)": "mM7", "mmaj7": "mM7", "min6": "m6", "dom7": "7", "maj": "", "M": ""}


def _pitch_class(name: str) -> int:
    """Return 0..11 of a spelled note such as ``"F##"``."""
    return (_NATURAL[name[0]] + name.count("#") - name.count("b")) % 12


def _degree(text: str) -> tuple[int, int]:
    """Return (letter steps above the tonic, semitones above the tonic) of a degree such as ``"b3"``."""
    step = int(text.strip("#b")) - 1
    return step, _MAJOR[step] + text.count("#") - text.count("b")


def _spell(tonic: str, degree: str) -> str:
    """Return the name of the note on `degree` above `tonic`, one letter a degree: the seventh of C# is B#."""
    step, semitones = _degree(degree)
    letter = _LETTERS[(_LETTERS.index(tonic[0]) + step) % 7]
    offset = (_pitch_class(tonic) + semitones - _NATURAL[letter] + 6) % 12 - 6
    return letter + ("#" * offset if offset > 0 else "b" * -offset)


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic and a mode.

    Parameters
    ----------
    tonic : str
        Spelled note, such as ``"Bb"``.
    mode : str
        A name in :data:`MODES`.
    """

    tonic: str
    mode: str = "major"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-G][#b]?", self.tonic):
            raise MusicError(f"tonic {self.tonic!r} is not a note; write A to G, with # or b where needed, such as Bb")
        if self.mode not in MODES:
            raise MusicError(f"mode {self.mode!r} is unknown; known modes are {', '.join(MODES)}")

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key that `text` spells: ``"D dorian"``, ``"F# minor"``, ``"Bb"``, ``"Am"``, ``"G blues"``.

        Raises
        ------
        MusicError
            The tonic is not a note or the mode is not in the table.
        """
        words = text.replace("♯", "#").replace("♭", "b").strip()
        match = re.fullmatch(r"([A-Ga-g])(#|b)?(?:\s+(.*)|(m|maj|min)?)", words)
        if match is None:
            raise MusicError(
                f"key {text!r} is not understood; write a tonic and a mode such as 'D dorian', "
                f"with a mode of {', '.join(MODES)}"
            )
        mode = " ".join((match[3] or match[4] or "").lower().split())
        return cls(match[1].upper() + (match[2] or ""), _ALIASES.get(mode, mode))

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"

    @property
    def tonic_class(self) -> int:
        """Pitch class 0..11 of the tonic."""
        return _pitch_class(self.tonic)

    @property
    def spelled(self) -> tuple[str, ...]:
        """Names of the scale's tones, from the tonic up."""
        return tuple(_spell(self.tonic, degree) for degree in MODES[self.mode].formula.split())

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes of the scale's tones, from the tonic up."""
        return tuple(_pitch_class(name) for name in self.spelled)

    @property
    def intervals(self) -> tuple[int, ...]:
        """Semitones of the scale's tones above the tonic."""
        return tuple(_degree(degree)[1] for degree in MODES[self.mode].formula.split())

    @property
    def is_minor(self) -> bool:
        """Whether the third above the tonic is minor, as in D dorian; a key signature of a MIDI file says so."""
        return "b3" in MODES[self.mode].formula.split()

    @property
    def sharps(self) -> int:
        """Sharps of the key signature, -7 (flats) to 7; a remote key is respelled."""
        fifths = _FIFTHS[self.tonic[0]] + 7 * (self.tonic.count("#") - self.tonic.count("b")) + MODES[self.mode].fifths
        while fifths > 7:
            fifths -= 12
        while fifths < -7:
            fifths += 12
        return fifths

    @property
    def transposition(self) -> int:
        """Semitones from C to the tonic by the nearer way, -6..5."""
        return (self.tonic_class + 6) % 12 - 6

    def tonic_chord(self) -> Chord:
        """Return the chord on which a piece in this key closes."""
        return _degree_chord(self, MODES[self.mode].progression.split()[-1])


@dataclass(frozen=True, slots=True)
class Tones:
    """Pitch classes (0..11) that may sound under a chord: those of the chord, and all that are allowed."""

    chord: frozenset[int]
    allowed: frozenset[int]
    root: int
    bass: int
    tonic: int

    def transposed(self, semitones: int) -> Tones:
        """Return the same tones moved by `semitones`."""

        def move(classes: frozenset[int]) -> frozenset[int]:
            return frozenset((tone + semitones) % 12 for tone in classes)

        return Tones(
            move(self.chord),
            move(self.allowed),
            (self.root + semitones) % 12,
            (self.bass + semitones) % 12,
            (self.tonic + semitones) % 12,
        )


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord symbol and its tones.

    Parameters
    ----------
    symbol : str
        As the musician wrote it.
    names : tuple of str
        Spelled tones, root first; the bass of a slash chord is `bass`.
    bass : str
        Spelled lowest tone.
    """

    symbol: str
    names: tuple[str, ...]
    bass: str

    @classmethod
    def parse(cls, symbol: str) -> Chord:
        """Return the chord of `symbol` (``"Dm7"``, ``"F#m7b5"``, ``"C/E"``), read by pychord; else MusicError."""
        return _parse_chord(symbol)

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes, root first."""
        return tuple(_pitch_class(name) for name in self.names)

    def tones(self, key: Key) -> Tones:
        """Return what may sound while this chord holds in `key`.

        Scale tones may; a chord tone outside the scale may too and then takes the place of the scale tone of its own
        letter (in C major, E7 brings G# and sends G away), or of its semitone neighbours where the scale has none. A
        blues keeps both thirds: there the clash is the style.
        """
        chord = frozenset((*self.classes, _pitch_class(self.bass)))
        scale = dict(zip(key.classes, key.spelled, strict=True))
        allowed = set(scale) | chord
        for name in (*self.names, self.bass):
            tone = _pitch_class(name)
            if tone in scale or key.mode == "blues":
                continue
            rivals = {other for other, spelled in scale.items() if spelled[0] == name[0]}
            rivals = rivals or ({(tone + 1) % 12, (tone - 1) % 12} & set(scale))
            allowed -= rivals - chord
        return Tones(chord, frozenset(allowed), self.classes[0], _pitch_class(self.bass), key.tonic_class)


@cache
def _parse_chord(symbol: str) -> Chord:
    text = symbol.replace("♯", "#").replace("♭", "b")
    match = re.fullmatch(r"([A-G][#b]?)([^/]*)(?:/([A-G][#b]?))?", text)
    if match is not None:
        quality = _QUALITIES.get(match[2], match[2])
        try:
            plain = PychordChord(match[1] + quality)
        except ValueError:
            pass  # told below, in the same words as a symbol that is no chord at all
        else:
            names = tuple(str(name) for name in plain.components(visible=True))
            return Chord(symbol, names, match[3] or names[0])
    raise MusicError(
        f"chord {symbol!r} is not understood; write a root A to G with # or b, a quality such as m, 7, maj7, m7b5, "
        "dim, sus4 or nothing, and a bass after a slash where wanted"
    )


def _degree_chord(key: Key, text: str) -> Chord:
    """Return the chord of a degree and a quality, such as ``"b7m"``, in `key`."""
    match = re.fullmatch(r"([b#]?[1-7])(.*)", text)
    assert match is not None, text
    root = _spell(key.tonic, match[1])
    if not re.fullmatch(r"[A-G][#b]?", root):  # a double accidental: use the plain note of the same sound
        plain = (*_NATURAL, "Db", "Eb", "Gb", "Ab", "Bb")
        root = next(name for name in plain if _pitch_class(name) == _pitch_class(root))
    return Chord.parse(root + match[2])


@dataclass(frozen=True, slots=True)
class Progression:
    """Chords bar by bar; the chords of one bar share it on its pulses.

    Parameters
    ----------
    bars : tuple of tuple of Chord
        At least one bar, at least one chord in each.
    """

    bars: tuple[tuple[Chord, ...], ...]

    def __post_init__(self) -> None:
        if not self.bars or not all(self.bars):
            raise MusicError("a progression needs at least one chord in every bar; write one such as 'Dm7 G7 Cmaj7'")

    @classmethod
    def parse(cls, text: str, key: Key) -> Progression:
        """Return the progression that `text` spells (syntax: top of this file); empty text gives the key's default.

        Raises
        ------
        MusicError
            A symbol is no chord, a bar between two bar lines is empty, or the first bar is ``%``.
        """
        text = text.strip()
        if not text:
            return default_progression(key)
        cells = [cell.split() for cell in text.strip("|").split("|")] if "|" in text else [[w] for w in text.split()]
        bars: list[tuple[Chord, ...]] = []
        for number, cell in enumerate(cells, start=1):
            if cell == ["%"] and bars:
                bars.append(bars[-1])
            elif not cell or "%" in cell:
                raise MusicError(
                    f"bar {number} of the chords {text!r} is {' '.join(cell) or 'empty'!r}; write at least one chord "
                    "between two bar lines, or % alone to repeat the bar before"
                )
            else:
                bars.append(tuple(Chord.parse(symbol) for symbol in cell))
        return cls(tuple(bars))

    def __len__(self) -> int:
        return len(self.bars)

    def __str__(self) -> str:
        return " | ".join(" ".join(chord.symbol for chord in bar) for bar in self.bars)

    def check(self, metre: Metre) -> None:
        """Raise :class:`MusicError` where a bar holds more chords than `metre` has pulses."""
        for number, bar in enumerate(self.bars, start=1):
            if len(bar) > len(metre.pulses):
                raise MusicError(
                    f"bar {number} has {len(bar)} chords, {metre} has room for {len(metre.pulses)}; "
                    "spread them over more bars"
                )

    def bar(self, index: int, metre: Metre) -> tuple[tuple[Fraction, Chord], ...]:
        """Return the chords of bar `index` (it wraps around), each with the beat of the bar from which it holds."""
        chords = self.bars[index % len(self.bars)]
        pulses = metre.pulses
        # Two chords in three beats: the first takes the longer share, as a player would take it.
        at = [pulses[-(-len(pulses) * number // len(chords))] for number in range(len(chords))]
        return tuple((Fraction(step, STEPS_PER_BEAT), chord) for step, chord in zip(at, chords, strict=True))


def default_progression(key: Key) -> Progression:
    """Return the mode's own eight bars (table :data:`MODES`) in `key`."""
    return Progression(tuple((_degree_chord(key, text),) for text in MODES[key.mode].progression.split()))
