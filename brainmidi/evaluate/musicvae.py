"""How good a MusicVAE is: what it gives back, what lies between phrases, what can be moved, what it makes up.

Everything is measured on the test split, which is by piece, with the very code that plays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import drums, groove, melody
from brainmidi.errors import ModelError
from brainmidi.evaluate import latent, statistics
from brainmidi.evaluate.common import evenly
from brainmidi.models.attribute_vectors import AttributeVectors
from brainmidi.models.checkpoint import find_checkpoint, read_config
from brainmidi.training.cards import rounded
from brainmidi.training.material import Material, Source, feed, load

if TYPE_CHECKING:
    from brainmidi.models.compiled import CompiledMusicVae

#: Accuracy teacher-forced and sampled in Roberts et al. 2018, table 1 (trained on 1.5 million MIDI files).
PAPER = {"melody": (0.986, 0.951), "drums": (0.979, 0.917)}
BATCH = 256
#: Phrases that accuracies, and those that samples from the prior, are counted over.
PHRASES, SAMPLES = 2048, 2048
#: The temperature of a session's melody.
AS_PLAYED = 0.75
#: Pairs whose ways another model scores.
SCORED = 64
#: Training phrases that attribute vectors are learned from.
LEARNED_FROM = 12_000
#: C major, as a class of chords and as pitch classes.
TONIC = 1
MAJOR = latent.SCALES["major"]

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """Figures by section, and the attribute vectors that were learned on the way (None for drums and grooves)."""

    figures: Figures
    vectors: AttributeVectors | None = None


def evaluate(
    checkpoint: str | Path,
    *,
    cache: Path,
    collections: tuple[str, ...] = (),
    data: Path | None = None,
    log_likelihood: latent.LogLikelihood | None = None,
) -> Report:
    """Measure a checkpoint.

    Parameters
    ----------
    checkpoint : str or Path
        Name of a shipped checkpoint, or a folder.
    cache : Path
        Where what was read is kept.
    collections : tuple of str
        Those that the model was trained on; the default ones of its part if empty.
    data : Path, optional
        The folder that it was trained on.
    log_likelihood : callable, optional
        Another model's nats an event of melodies, which interpolations are scored with.

    Returns
    -------
    Report
        Sections: ``"reconstruction"`` for every model; of melodies ``"interpolation"``, ``"attributes"`` and
        ``"cross-talk"``, of melodies and basses ``"prior"``; of all but grooves ``"verbatim"``.
    """
    folder = find_checkpoint(checkpoint)
    config = read_config(folder, "musicvae")
    name, part = str(config["name"]), config.get("part")
    from brainmidi.models.compiled import CompiledMusicVae

    model = CompiledMusicVae(folder)
    source = load(name, cache=cache, collections=collections, data=data, part=part)
    test, train = spread(source.splits["test"], PHRASES), source.splits["train"]
    arrays = feed(name, model.config)
    if source.part == "groove":
        return Report({"reconstruction": grooves(model, arrays(test))})
    figures: Figures = {"reconstruction": reconstruction(model, arrays(test), source.part)}
    line = Line(model, arrays)
    vectors = None
    if source.part == "melody":
        between = interpolation(line, test, log_likelihood)
        figures["interpolation"] = between
        learned = spread(train, LEARNED_FROM).events.astype(np.int64)
        try:
            table = latent.attribute_table(line.encode, line.decode, learned, test.events.astype(np.int64))
        except ModelError as error:
            figures["attributes"] = {"none": str(error)}  # an attribute that never changes in so little data
        else:
            figures |= attributes(table)
            vectors = table.vectors
    if source.part in ("melody", "bass"):
        figures["prior"] = prior(line, test)
    figures["verbatim"] = verbatim(line, source)
    return Report(figures, vectors)


def spread(rows: Material, most: int) -> Material:
    """Return at most so many phrases, evenly spread."""
    return rows.take(evenly(len(rows), most))


def reconstruction(model: CompiledMusicVae, inputs: tuple[NDArray[Any], ...], part: str) -> dict[str, Any]:
    """Return how much of held-out phrases comes back, as shares of all steps.

    ``teacher_forced`` is given the true past, ``greedy`` and ``sampled`` (temperature 1) the latent mean alone;
    ``greedy_onsets`` counts the steps on which something begins, ``greedy_phrases`` whole phrases. ``floor_nothing`` is
    what always answering "no event" scores, ``floor_other`` what another held-out phrase scores.
    """
    rng = np.random.default_rng(0)
    right: dict[str, list[NDArray[np.bool_]]] = {"teacher_forced": [], "greedy": [], "sampled": []}
    bits = []
    for batch in batches(inputs):
        events, targets, *controls = batch
        mu, sigma = model.encode(events, *controls)
        bits.append(0.5 * (mu**2 + sigma**2 - 2.0 * np.log(sigma + 1e-8) - 1.0).sum(axis=1) / np.log(2.0))
        raw = model.teacher_forced(mu, targets, *controls)
        right["teacher_forced"].append(np.asarray(model.model.right(targets, raw)))
        noise = chance_of(model, rng, len(targets))
        for name, chance in (("greedy", None), ("sampled", noise)):
            decoded = model.decode(mu, noise=chance, controls=controls[0] if controls else None)
            right[name].append((decoded == targets).all(axis=-1))
    targets = inputs[1]
    greedy = np.concatenate(right["greedy"])
    begins = targets.any(axis=-1) if part == "drums" else targets[..., 0] >= melody.FIRST_PITCH_CLASS
    figures: dict[str, Any] = {name: float(np.concatenate(rows).mean()) for name, rows in right.items()}
    if part in PAPER:
        figures |= {"paper_teacher_forced": PAPER[part][0], "paper_sampled": PAPER[part][1]}
    return figures | {
        "greedy_onsets": float(greedy[begins].mean()),
        "greedy_phrases": float(greedy.all(axis=1).mean()),
        "kl_bits": float(np.concatenate(bits).mean()),
        "floor_nothing": float((targets == 0).all(axis=-1).mean()),
        "floor_other": float((targets == np.roll(targets, len(targets) // 2, axis=0)).all(axis=-1).mean()),
        "phrases": len(targets),
    }


def grooves(model: CompiledMusicVae, inputs: tuple[NDArray[Any], ...]) -> dict[str, Any]:
    """Return how well velocities and timing of held-out grooves are foreseen from their hits alone.

    Errors are mean absolute ones over the hits; the floors answer each drum's mean. An offset of 1 is half a sixteenth,
    62.5 ms at 120 beats a minute.
    """
    played = []
    for events, targets, *controls in batches(inputs):
        mu, _ = model.encode(events, *controls)
        forced = np.full(targets.shape, np.nan, dtype=np.float32)
        forced[..., groove.HITS] = targets[..., groove.HITS]
        played.append(model.decode(mu, forced=forced, controls=controls[0] if controls else None))
    made, truth = np.concatenate(played), inputs[1]
    hits = truth[..., groove.HITS] > 0.5
    figures: dict[str, Any] = {}
    for name, columns in (("velocity", groove.VELOCITIES), ("offset", groove.OFFSETS)):
        mine, right = made[..., columns], truth[..., columns]
        mean = (right * hits).sum(axis=(0, 1)) / np.maximum(hits.sum(axis=(0, 1)), 1)
        figures[f"{name}_error"] = float(np.abs(mine - right)[hits].mean())
        figures[f"{name}_error_floor"] = float(np.abs(mean - right)[hits].mean())
        figures[f"{name}_correlation"] = float(np.corrcoef(mine[hits], right[hits])[0, 1])
    return figures | {"hits": int(hits.sum()), "phrases": len(truth)}


class Line:
    """A model as two functions over whole batches of token rows, as :mod:`brainmidi.evaluate.latent` asks for them.

    Parameters
    ----------
    model : CompiledMusicVae
    arrays : callable
        From phrases to the model's inputs.
    """

    def __init__(self, model: CompiledMusicVae, arrays: Callable[[Material], tuple[NDArray[Any], ...]]) -> None:
        self.model, self.arrays = model, arrays

    def encode(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return latent means (n, latent_size) of rows (n, t), under the tonic's chord if the model wants chords."""
        under = np.full(rows.shape, TONIC, dtype=np.uint8) if self.model.config.control_depth else None
        inputs = self.arrays(Material(rows, under, np.zeros(len(rows), dtype=np.int32), ()))
        return np.concatenate([self.model.encode(*part)[0] for part in batches((inputs[0], *inputs[2:]))])

    def decode(
        self,
        z: NDArray[np.float32],
        *,
        noise: bool = False,
        in_key: bool = False,
        temperature: float = 1.0,
        under: NDArray[np.integer] | None = None,
        seed: int = 0,
    ) -> NDArray[np.int64]:
        """Return rows (n, t): the likeliest tokens, or with `noise` samples; `in_key` allows the tones of C major.

        `under`, shape (n, t), are chords; the tonic's if not given.
        """
        config, model = self.model.config, self.model
        rng = np.random.default_rng(seed)
        bias = np.zeros((config.n_steps, model.model.n_odds), dtype=np.float32)
        if in_key:
            pitch_class = (np.arange(melody.N_CLASSES) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH) % 12
            bias[:, (np.arange(melody.N_CLASSES) >= 2) & ~np.isin(pitch_class, MAJOR)] = -1e9
        rows = []
        if under is None:
            under = np.full((len(z), config.n_steps), TONIC)
        for part, chorded in batches((np.asarray(z, dtype=np.float32), under)):
            shape = (len(part), *bias.shape)
            chance = chance_of(model, rng, len(part)) if noise else None
            controls = None
            if config.control_depth:
                controls = np.eye(config.control_depth, dtype=np.float32)[chorded]
            events = model.decode(
                part, bias=np.broadcast_to(bias, shape), noise=chance, temperature=temperature, controls=controls
            )
            rows.append(events[..., 0] if config.events == "categorical" else drums.pack(events > 0.5))
        return np.concatenate(rows).astype(np.int64)


def chance_of(model: CompiledMusicVae, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Return the noise (n, n_steps, n_odds) that makes samples of the model's log-odds."""
    shape = (n, model.config.n_steps, model.model.n_odds)
    draw = rng.gumbel if model.config.events == "categorical" else rng.logistic
    return draw(size=shape).astype(np.float32)


def batches(inputs: tuple[NDArray[Any], ...]) -> list[tuple[NDArray[Any], ...]]:
    """Return the arrays in batches; a last one that is short is a shape of its own."""
    return [tuple(array[at : at + BATCH] for array in inputs) for at in range(0, len(inputs[0]), BATCH)]


def interpolation(line: Line, test: Material, log_likelihood: latent.LogLikelihood | None) -> dict[str, Any]:
    """Return how evenly the way between held-out phrases leads from one to the other, and whether it stays in key.

    In key means: in a scale that both ends lie in; and, between ends in C major, decoded under that scale, as a session
    does. Likelihoods are another model's, in nats an event.
    """
    rows = test.events.astype(np.int64)
    way = latent.interpolation(line.encode, line.decode, rows)
    diatonic = rows[_diatonic(rows)]
    figures: dict[str, Any] = {
        "spearman": way.spearman,
        "spearman_of_pairs": way.spearman_of_pairs,
        "steps_in_key": way.in_key,
        "pairs": len(way.latent_rows),
        "pairs_in_key": way.pairs_in_key,
    }
    if len(diatonic) > 1:
        held = latent.interpolation(line.encode, lambda z: line.decode(z, in_key=True), diatonic)
        figures["steps_in_key_under_the_scale"] = held.in_key
    if log_likelihood is not None:
        few = latent.interpolation(line.encode, line.decode, rows, n_pairs=SCORED, log_likelihood=log_likelihood)
        between, mixed = few.log_likelihood, few.crossfade_log_likelihood
        if between is not None and mixed is not None:
            figures |= {
                "log_likelihood_of_the_ends": float(mixed[[0, -1]].mean()),
                "log_likelihood_between": float(between[1:-1].mean()),
                "log_likelihood_of_a_crossfade": float(mixed[1:-1].mean()),
            }
    return figures


def attributes(table: latent.AttributeTable) -> Figures:
    """Return what each attribute vector moves, and the cross-talk: how far it moves the others."""
    names = table.vectors.names
    return {
        "attributes": {
            name: f"Spearman {table.spearman[k]:.3f}, gain {table.gain[k]:.2f}" for k, name in enumerate(names)
        },
        "cross-talk": {
            name: ", ".join(f"{other} {table.cross_talk[k, j]:+.2f}" for j, other in enumerate(names) if j != k)
            for k, name in enumerate(names)
        },
    }


def prior(line: Line, test: Material) -> dict[str, Any]:
    """Return how far histograms of samples from the prior overlap those of the test phrases, under their chords.

    ``prior`` is at temperature 1, ``as_played`` at a session's.
    """
    under = None if test.chords is None else np.resize(test.chords, (SAMPLES, test.chords.shape[1]))
    figures: dict[str, Any] = {}
    for kind, temperature in (("prior", 1.0), ("as_played", AS_PLAYED)):

        def sample(z: NDArray[np.float32], temperature: float = temperature) -> NDArray[np.int64]:
            return line.decode(z, noise=True, temperature=temperature, under=under)

        found = latent.prior_overlap(sample, test.events.astype(np.int64), line.model.config.latent_size, n=SAMPLES)
        for name, overlaps in found.items():
            figures[f"{name.replace(' ', '_')}_{kind}"] = overlaps["prior"]
            figures[f"{name.replace(' ', '_')}_halves"] = overlaps["halves"]
    return dict(sorted(figures.items()))


def _diatonic(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    pitch_class = (rows - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH) % 12
    return np.asarray((np.isin(pitch_class, MAJOR) | (rows < melody.FIRST_PITCH_CLASS)).all(axis=1))


def verbatim(line: Line, source: Source) -> dict[str, Any]:
    """Return the longest match of samples from the prior with the training phrases, and, beside it, of test phrases."""
    z = np.random.default_rng(1).standard_normal((SAMPLES, line.model.config.latent_size)).astype(np.float32)
    held = source.splits["test"]
    under = None if held.chords is None else np.resize(held.chords, (SAMPLES, held.chords.shape[1]))
    sampled = line.decode(z, noise=True, under=under)
    train, test = source.splits["train"].events, source.splits["test"].events[:SAMPLES]
    if source.part == "drums":
        known = {row.tobytes() for row in train.astype(np.int64)}
        bars = {bar.tobytes() for row in train.astype(np.int64) for bar in np.split(row, 2)}
        return {
            f"{kind}_{what}": float(np.mean([piece.tobytes() in where for row in rows for piece in np.split(row, n)]))
            for kind, rows in (("samples", sampled), ("test_phrases", test.astype(np.int64)))
            for what, where, n in (("that_are_training_phrases", known, 1), ("bars_that_are_training_bars", bars, 2))
        }
    figures: dict[str, Any] = {}
    for kind, rows in (("samples", sampled), ("test_phrases", test)):
        match = statistics.longest_match(rows.astype(np.int64), train.astype(np.int64))
        figures |= {
            f"{kind}_longest_notes": int(match.notes.max()),
            f"{kind}_longest_beats": float(match.beats.max()),
            f"{kind}_median_beats": float(np.median(match.beats)),
            f"{kind}_wholly_in_training": float(match.whole.mean()),
        }
    return figures


def shown(figures: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the figures as sections of (what, value) lines, rounded for people."""
    return [
        (section, [(name.replace("_", " "), rounded(value)) for name, value in lines.items()])
        for section, lines in figures.items()
    ]
