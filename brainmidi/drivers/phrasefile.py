"""Phrases one after the other as a MIDI file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from brainmidi.midi.files import write_midi
from brainmidi.music.harmony import Key
from brainmidi.types import Bar, ControlFrame, Phrase

#: MIDI channel of each part, as session.toml has them.
CHANNELS = {"melody": 1, "bass": 3, "drums": 10}


def write_phrases(
    path: Path, phrases: Sequence[Phrase], labels: Sequence[str], *, key: Key, tempo_bpm: float, part: str
) -> None:
    """Write phrases one after the other as a MIDI file in 4/4, a marker at each.

    Parameters
    ----------
    path : Path
        Where to.
    phrases : sequence of Phrase
        With notes of `part`.
    labels : sequence of str
        Of the markers; numbered, so that no two are alike.
    key : Key
        For the key signature.
    tempo_bpm : float
        Quarter notes a minute.
    part : str
        Gives the track its name and its channel.
    """
    bars, at = [], Fraction(0)
    for number, (phrase, label) in enumerate(zip(phrases, labels, strict=True), start=1):
        bars.append(
            Bar(
                index=number - 1,
                start=at,
                phrase=phrase,
                tempo_bpm=tempo_bpm,
                chords=(),
                anchor=f"{number}: {label}",
                latent_mix=0.0,
                temperature=0.0,
                controls=ControlFrame.neutral(0.0),
            )
        )
        at += phrase.length
    drums = part == "drums"
    write_midi(
        path,
        bars,
        metre="4/4",
        sharps=0 if drums else key.sharps,
        minor=not drums and key.is_minor,
        title=path.stem,
        channels={part: CHANNELS[part]},
    )
