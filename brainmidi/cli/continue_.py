"""``brainmidi continue``: a model goes on from a MIDI file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from brainmidi.errors import ConfigError

#: Most bars in one go.
MOST = 1024


def continue_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The .mid to go on from.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .mid to write.", show_default=False)],
    n_bars: Annotated[int, typer.Option("--bars", metavar="N", min=1, max=MOST, help="Bars to write.")] = 8,
    parts: Annotated[
        str, typer.Option(metavar="PARTS", help="Who plays on; the others rest.")
    ] = "melody,bass,accompaniment",
    style: Annotated[
        str, typer.Option(metavar="STYLE", help="any, bach, haydn, mozart, beethoven, tunes or pop.")
    ] = "any",
    temperature: Annotated[
        float, typer.Option(metavar="T", min=0, max=2, help="0 writes what is likeliest; above it is sampled.")
    ] = 1.0,
    harmony: Annotated[
        float, typer.Option(metavar="H", min=0, max=1, help="0 is free, at 1 every strong beat has chord tones.")
    ] = 0.5,
    density: Annotated[
        float, typer.Option(metavar="D", min=0, max=1, help="0.5 leaves the model its own number of notes.")
    ] = 0.5,
    chords: Annotated[
        str, typer.Option(metavar="CHORDS", help='Repeated, such as "Am F C G"; by default those of the last bars.')
    ] = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="Of the file; found from its notes by default.")] = "",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")] = 1,
    checkpoint: Annotated[
        str, typer.Option(metavar="NAME", help="A Music Transformer of bars, by name or folder.")
    ] = "music-transformer_scores",
) -> None:
    """Go on from a MIDI file: its music as it is, and after it as many bars as you like by the model."""
    from brainmidi.cli.options import MIDI_SUFFIXES, need_folder
    from brainmidi.codec.bars import PARTS, style_token
    from brainmidi.drivers.goon import chords_after, go_on, open_model
    from brainmidi.drivers.prompt import read_prompt
    from brainmidi.drivers.steering import Controls
    from brainmidi.midi.append import append_notes
    from brainmidi.midi.song import read_song
    from brainmidi.music.harmony import Key

    if out.suffix.lower() not in MIDI_SUFFIXES:
        raise ConfigError(f"-o {out} ends in {out.suffix or 'no suffix'}, .mid is needed; rename it")
    need_folder("-o", out)
    if out.resolve() == source.resolve():
        raise ConfigError(f"-o {out} is the file that is read, it would be lost; give the output another name")
    named = [part.strip() for part in parts.split(",") if part.strip()]
    if not named or not set(named) <= set(PARTS):
        raise ConfigError(f"--parts {parts}: name one or more of {', '.join(PARTS)}")
    style_token(style)
    prompt = read_prompt(read_song(source), Key.parse(key) if key else None, style)
    progression = chords_after(prompt, n_bars, chords)
    controls = Controls(temperature, harmony, density)
    notes = go_on(open_model(checkpoint), prompt, progression, named, controls, seed)
    metre = "{}/{}".format(*prompt.metre)
    length = Fraction(prompt.length * prompt.split, 4)
    append_notes(source, out, notes, prompt.end, prompt.end + n_bars * length)
    typer.echo(f"{out} written: {source.name} to beat {prompt.end}, then {n_bars} bars of {metre} in {prompt.key}")
    for part in named:
        home = prompt.homes[part]
        count = sum((note.track, note.channel) == home for note in notes)
        typer.echo(f"{part:<14}{count:>4} notes  track {home[0]!r}, channel {home[1] + 1}")
