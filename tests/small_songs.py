"""A folder of short songs that no two files share: lead, chords, bass and drums, at least one file a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brainmidi.training.corpora import split_of

BEAT_TICKS = 96
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
TRIADS = ((60, 64, 67), (60, 65, 69), (59, 62, 67), (57, 60, 64))
ROOTS = (36, 41, 43, 45)


def names(per_split: int) -> Iterator[str]:
    """Yield as many names of files as asked for of each split."""
    count: Counter[str] = Counter()
    n = 0
    while min(count[split] for split in ("train", "validation", "test")) < per_split:
        name = f"song{n}.mid"
        if count[split_of(name)] < per_split:
            count[split_of(name)] += 1
            yield name
        n += 1


def write_songs(folder: Path, per_split: int = 1, n_bars: int = 6) -> list[str]:
    """Write the files; each is random, by its name."""
    folder.mkdir(parents=True)
    written = list(names(per_split))
    for name in written:
        write_song(folder / name, n_bars)
    return written


def write_song(path: Path, n_bars: int) -> None:
    import mido

    rng = np.random.default_rng(sum(path.name.encode()))
    chords = rng.integers(0, len(TRIADS), n_bars)
    parts = {
        ("Lead", 80): [(float(n), 1.0, 72 + SCALE[rng.integers(8)]) for n in range(4 * n_bars)],
        ("Piano", 0): [(4.0 * bar, 4.0, pitch) for bar in range(n_bars) for pitch in TRIADS[chords[bar]]],
        ("Bass", 33): [(4.0 * bar + n, 1.0, ROOTS[chords[bar]]) for bar in range(n_bars) for n in range(4)],
        ("Drums", None): [(n / 2, 0.25, int(rng.choice([36, 38, 42, 46]))) for n in range(8 * n_bars)],
    }
    midi = mido.MidiFile(ticks_per_beat=BEAT_TICKS)
    for channel, ((name, program), notes) in enumerate(parts.items()):
        where = 9 if program is None else channel
        events = [(0, 0, mido.MetaMessage("track_name", name=name))]
        events.append((0, 0, mido.Message("program_change", program=program or 0, channel=where)))
        for start, length, pitch in notes:
            on, off = round(start * BEAT_TICKS), round((start + length) * BEAT_TICKS)
            events.append((on, 2, mido.Message("note_on", note=pitch, velocity=90, channel=where)))
            events.append((off, 1, mido.Message("note_off", note=pitch, channel=where)))
        track, now = mido.MidiTrack(), 0
        for tick, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path)
