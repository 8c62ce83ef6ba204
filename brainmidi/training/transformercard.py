"""What a trained Music Transformer gets before it ships: its figures and its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brainmidi.errors import ConfigError
from brainmidi.evaluate.scores import Figures
from brainmidi.evaluate.transformer import collections_of, evaluate
from brainmidi.models.checkpoint import read_config
from brainmidi.training.cards import TRAINING_FILE, Card, licences, rounded, write_card

#: Folders whose music is known by their name, in small letters.
FOLDERS = {
    "pop909": "POP909 (Wang et al. 2020, ISMIR): the MIDI files are under the MIT licence, **the songs are in "
    "copyright**. What a model learned from them may come out again: do not release takes made with it as free of "
    "rights; use `music-transformer_scores` for that.",
}
WHAT = {
    "bars": (
        "A Music Transformer over the bar-aware vocabulary: style, bar, chord, position, part, pitch, duration, "
        "velocity, 220 classes. It knows bar and chord before the notes, and of an instant the melody before the bass, "
        "and the bass before the accompaniment, so that any of the parts can be given and the others written. Tonic on "
        "C. {sizes}"
    ),
    "performance": (
        "A Music Transformer over Magenta's 310 performance events. It plays the second part: it is fed the melody and "
        "writes around it. Score time is 125 beats a minute, so that a sixteenth is 12 shifts, and loudness carries "
        "the metre's accents. {sizes}"
    ),
    "played": (
        "A Music Transformer over Magenta's 310 performance events, with the timing, the velocities and the pedal of "
        "people who played: shifts of 10 ms, 32 velocities, notes as long as the pedal holds them. {sizes}"
    ),
}
NOTES = {
    "bars": (
        "Made by `brainmidi evaluate transformer`. `nll` is in nats a token, beside tables of tokens, pairs and "
        "triples on the same tokens (mixed with shorter contexts by weights that were chosen on the validation split). "
        "Overlaps are sums of the smaller of two normalised histograms: test pieces are gone on with after their first "
        "four bars, at temperature 1 under the grammar alone, for as many tokens as they have (at most 1024), several "
        "times each where they are few, and compared with what they have there; training pieces compared in the same "
        "way stand beside. A verbatim match "
        "is a run of the melody's notes with equal intervals and times between onsets as in any training piece, in any "
        "key; test pieces stand beside, for what is common in this music anyway. The goal is 0.85 for each overlap."
    ),
    "performance": (
        "Made by `brainmidi evaluate transformer`. `nll` is in nats an event; the floors are what tables of "
        "events, pairs and triples score on the same events (the last mixed with shorter contexts by weights that were "
        "chosen on the validation split). Chorales are alike: phrases of a test chorale may stand, transposed, in a "
        "training chorale."
    ),
}


def finish(folder: Path, *, cache: Path, collections: tuple[str, ...] = (), data: Path | None = None) -> Figures:
    """Measure a trained checkpoint and write its card; return the figures by section.

    Parameters
    ----------
    folder : Path
        A checkpoint of ours; ``training.json`` in it says how it was made, and goes into the card.
    cache, collections, data
        As it was trained with; see :func:`brainmidi.training.transformer.train`.

    Raises
    ------
    ConfigError
        If the folder holds no transformer of ours, or it was trained on a folder and none is given.
    """
    config = read_config(folder, "transformer")
    codec = str(config.get("codec", "performance"))
    if codec not in NOTES:
        raise ConfigError(f"a transformer of codec {codec!r} is unknown; choose from {', '.join(NOTES)}")
    collections = collections_of(folder, collections, data)
    figures = evaluate(folder, cache=cache, collections=collections, data=data)
    made: dict[str, Any] = {}
    if (folder / TRAINING_FILE).exists():
        made = json.loads((folder / TRAINING_FILE).read_text())
    for said_elsewhere in ("folder", "collections"):
        made.pop(said_elsewhere, None)
    command = str(made.pop("command", ""))
    sizes = (
        f"{config['n_layers']} layers, model size {config['size']}, {config['n_heads']} heads, a window of "
        f"{config['window']} tokens; weights in half precision."
    )
    whose = licences(collections)
    if data is not None:
        name = data.resolve().name
        whose = (FOLDERS.get(name.lower(), f"MIDI files of the folder {name}: their rights are for its owner to know"),)
    card = Card(
        title=f"Music Transformer {config['name']}",
        what=WHAT["played" if codec == "performance" and data is not None else codec].format(sizes=sizes),
        licences=whose,
        command=command,
        training=made,
        sections={key: [(n.replace("_", " "), rounded(v)) for n, v in rows.items()] for key, rows in figures.items()},
        notes=NOTES[codec],
        free=data is None,
    )
    write_card(folder, card)
    return figures
