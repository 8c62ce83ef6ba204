"""``brainmidi latent ...``: move through a model's latent space by hand: between phrases, among them, at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainmidi.cli import latentoptions as opt
from brainmidi.errors import ConfigError

if TYPE_CHECKING:
    from brainmidi.drivers.latentspace import LatentSpace
    from brainmidi.types import Phrase

latent_app = typer.Typer(name="latent", help="Move through a model's latent space by hand: phrases in, phrases out.")

MELODY, DRUMMER = "hier-mel_2bar", "hier-groove_2bar_hits"
#: A walk stays this near to where it begins, and one step is so long, as shares of a typical point's distance from 0.
RADIUS, STRIDE = 1.0, 0.3


@latent_app.callback()
def latent() -> None:
    """Move through a model's latent space by hand: phrases in, phrases out."""


@latent_app.command("interpolate")
def interpolate(
    sources: opt.Places,
    out: opt.Out,
    steps: Annotated[int, typer.Option(metavar="N", min=2, max=opt.MOST, help="Phrases, both ends among them.")] = 8,
    linear: Annotated[bool, typer.Option("--linear", help="Along straight lines, not along arcs.")] = False,
    checkpoint: opt.Checkpoint = MELODY,
    key: opt.Key = "C",
    chords: opt.Chords = "",
    tempo: opt.Tempo = 96.0,
    temperature: opt.Temperature = 0.0,
    seed: opt.Seed = 1,
    engine: opt.EngineOption = opt.Engine.BRAINMIDI,
    magenta_python: opt.MagentaPython = None,
    config: opt.MagentaConfig = None,
) -> None:
    """Write the phrases on the way from one phrase to another, or on through several, all equally far apart in time."""
    import numpy as np

    from brainmidi.models.latent import Trajectory

    if len(sources) < 2:
        raise ConfigError(f"PLACE... is {sources[0]} alone, a way has two ends or more; name another place")
    with _open(dict(locals())) as space:
        points = space.points(sources)
        shares = np.linspace(0.0, 1.0, steps)
        times = np.linspace(0.0, 1.0, len(points))  # of the places
        if linear:
            way = np.stack([np.interp(shares, times, column) for column in points.T], axis=1).astype(np.float32)
        else:
            way = Trajectory(times, points.astype(np.float64)).at(shares)
        _write(space, out, list(way), [f"share {share:.3f}" for share in shares], tempo, temperature)


@latent_app.command("sample")
def sample(
    out: opt.Out,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, max=opt.MOST, help="Phrases.")] = 8,
    walk: Annotated[bool, typer.Option("--walk", help="One near the other: a random walk that stays near.")] = False,
    checkpoint: opt.Checkpoint = MELODY,
    key: opt.Key = "C",
    chords: opt.Chords = "",
    tempo: opt.Tempo = 96.0,
    temperature: opt.Temperature = 0.0,
    seed: opt.Seed = 1,
    engine: opt.EngineOption = opt.Engine.BRAINMIDI,
    magenta_python: opt.MagentaPython = None,
    config: opt.MagentaConfig = None,
) -> None:
    """Write phrases drawn from the prior: those of seed:N, seed:N+1, ... for --seed N."""
    import numpy as np

    from brainmidi.drivers import places
    from brainmidi.models.latent import walk as wander

    with _open(dict(locals())) as space:
        size = space.config.latent_size
        points = [places.prior_point(places.Seed(seed + k), size) for k in range(1 if walk else n)]
        scale = float(np.sqrt(size))
        for step in range(n - len(points)):
            points.append(
                wander(points[-1], points[0], radius=RADIUS * scale, step_length=STRIDE * scale, seed=seed, step=step)
            )
        labels = [f"step {k}" if walk else f"seed:{seed + k}" for k in range(n)]
        _write(space, out, points, labels, tempo, temperature)


@latent_app.command("move")
def move(
    place: opt.Place,
    out: opt.Out,
    attribute: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=AMOUNT",
            help="Which attribute to move by how many standard deviations, such as density=+1.5; repeatable.",
            show_default=False,
        ),
    ],
    levels: Annotated[
        int, typer.Option(metavar="N", min=1, max=opt.MOST, help="Write so many, from minus the amounts to plus.")
    ] = 1,
    checkpoint: opt.Checkpoint = MELODY,
    key: opt.Key = "C",
    chords: opt.Chords = "",
    tempo: opt.Tempo = 96.0,
    temperature: opt.Temperature = 0.0,
    seed: opt.Seed = 1,
) -> None:
    """Make a phrase denser, higher, more syncopated, ...: move it along the checkpoint's attribute vectors."""
    import numpy as np

    from brainmidi.codec.attributes import ATTRIBUTES

    with _open(dict(locals())) as space:
        vectors = space.vectors()
        changes = opt.parse_changes(attribute, vectors.names)
        (z,) = space.points([place])
        shares = np.linspace(-1.0, 1.0, levels) if levels > 1 else np.ones(1)
        points = [vectors.apply(z, {name: float(share) * by for name, by in changes.items()}) for share in shares]

        def measured(phrase: Phrase) -> str:
            row = space.events(phrase).T
            return "  ".join(f"{name} {float(ATTRIBUTES[name](row)[0]):.2f}" for name in changes if name in ATTRIBUTES)

        labels = [" ".join(f"{name} {share * by:+.2f}" for name, by in changes.items()) for share in shares]
        _write(space, out, points, labels, tempo, temperature, measured)


@latent_app.command("mix")
def mix(
    sources: opt.Places,
    out: opt.Out,
    weights: Annotated[
        str, typer.Option(metavar="W,W,...", help="One for each place, such as 0.2,0.5,0.3; all alike by default.")
    ] = "",
    grid: Annotated[
        str,
        typer.Option(metavar="ROWSxCOLUMNS", help="Of four places, the corners of a square: all of it, row by row."),
    ] = "",
    checkpoint: opt.Checkpoint = MELODY,
    key: opt.Key = "C",
    chords: opt.Chords = "",
    tempo: opt.Tempo = 96.0,
    temperature: opt.Temperature = 0.0,
    seed: opt.Seed = 1,
    engine: opt.EngineOption = opt.Engine.BRAINMIDI,
    magenta_python: opt.MagentaPython = None,
    config: opt.MagentaConfig = None,
) -> None:
    """Write what lies among several phrases: one mixture, or a square with a phrase at each corner."""
    from brainmidi.models.latent import barycentric, bilinear

    if grid and weights:
        raise ConfigError("--grid and --weights exclude each other; leave one out")
    shares = opt.parse_weights(weights, len(sources))
    rows, columns = opt.parse_grid(grid, len(sources)) if grid else (0, 0)
    with _open(dict(locals())) as space:
        points = space.points(sources)
        if not grid:
            label = " ".join(f"{share:g}" for share in shares)
            _write(space, out, [barycentric(points, shares)], [label], tempo, temperature)
            return
        corners = points.reshape(2, 2, -1).swapaxes(0, 1)  # the places stand in rows; the first index is across
        cells = [(y, x) for y in range(rows) for x in range(columns)]
        square = [bilinear(corners, x / (columns - 1), y / (rows - 1)) for y, x in cells]
        _write(space, out, square, [f"row {y + 1} column {x + 1}" for y, x in cells], tempo, temperature)


@latent_app.command("humanise")
def humanise(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .mid with drums on channel 10.", show_default=False)
    ],
    out: opt.Out,
    amount: Annotated[float, typer.Option(metavar="A", min=0, max=1, help="How far hits leave the grid, 0..1.")] = 1.0,
    checkpoint: opt.Checkpoint = DRUMMER,
    tempo: opt.Tempo = 96.0,
    seed: opt.Seed = 1,
) -> None:
    """Let a drummer play the drums of a file: the same hits, with velocities and timing of a GrooVAE."""
    import numpy as np

    from brainmidi.midi.song import BAR, read_song

    with _open(dict(locals())) as space:
        if space.config.events != "groove" or not space.name.endswith(("humanize", "_hits")):
            raise ConfigError(
                f"--checkpoint {checkpoint} does not humanise; choose a GrooVAE whose name ends in humanize or hits"
            )
        song = read_song(source)
        bars = int(space.length / BAR)
        heard = song.phrases("drums", space.length)
        rng = np.random.Generator(np.random.Philox(key=[seed, 3]))
        played = [space.humanise(phrase, amount, rng) for phrase in heard]
        _save(space, out, played, [f"bars {bars * k + 1}..{bars * k + bars}" for k in range(len(played))], tempo)


def _open(given: dict[str, Any]) -> LatentSpace:
    """Return the latent space that a command's options ask for."""
    from brainmidi.cli.options import MIDI_SUFFIXES, need_folder
    from brainmidi.drivers.latentspace import open_original, open_space
    from brainmidi.drivers.places import Bars, parse_place

    out, python, config = given["out"], given.get("magenta_python"), given.get("config")
    if out.suffix.lower() not in MIDI_SUFFIXES:
        raise ConfigError(f"-o {out} ends in {out.suffix or 'no suffix'}, .mid is needed; rename it")
    need_folder("-o", out)
    named = [given.get(name, "") for name in ("place", "source")]
    read = [place for text in (*named, *given.get("sources", ())) if text and (place := parse_place(str(text)))]
    if any(isinstance(place, Bars) and place.path.resolve() == out.resolve() for place in read):
        raise ConfigError(f"-o {out} is the file that is read, it would be lost; give the output another name")
    options = {"key": given.get("key", ""), "chords": given.get("chords", ""), "seed": given["seed"]}
    if given.get("engine", opt.Engine.BRAINMIDI) is opt.Engine.BRAINMIDI:
        if python is not None or config is not None:
            raise ConfigError("--magenta-python and --config are of --engine magenta; add that, or leave them out")
        return open_space(given["checkpoint"], **options)
    if python is None or config is None:
        raise ConfigError(
            "--engine magenta needs --magenta-python PATH, --config NAME and --checkpoint FILES; add them"
        )
    return open_original(Path(given["checkpoint"]), config, python, **options)


def _write(
    space: LatentSpace,
    out: Path,
    points: Sequence[Any],
    labels: Sequence[str],
    tempo: float,
    temperature: float,
    more: Callable[[Phrase], str] | None = None,
) -> None:
    """Decode points and write the phrases one after the other."""
    _save(space, out, [space.decode(z, temperature) for z in points], labels, tempo, more)


def _save(
    space: LatentSpace,
    out: Path,
    phrases: Sequence[Phrase],
    labels: Sequence[str],
    tempo: float,
    more: Callable[[Phrase], str] | None = None,
) -> None:
    """Write phrases one after the other, each with a marker, and print a line for each."""
    from brainmidi.drivers.phrasefile import write_phrases

    for number, (phrase, label) in enumerate(zip(phrases, labels, strict=True), start=1):
        pitches = [note.pitch for note in phrase]
        span = f"pitches {min(pitches)}..{max(pitches)}" if pitches and space.part != "drums" else ""
        extra = more(phrase) if more and pitches else ""
        typer.echo(f"{number:>3}/{len(phrases)}  {label:<20}  {len(pitches):>3} notes  {span:<16}  {extra}".rstrip())
    write_phrases(out, phrases, labels, key=space.key, tempo_bpm=tempo, part=space.part)
    typer.echo(f"{out} written: {len(phrases)} phrases of {space.length} beats")
