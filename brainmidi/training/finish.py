"""What a trained MusicVAE gets before it ships: its anchors, its attribute vectors, its figures, its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainmidi.drivers.voices import ANCHORS_FILE
from brainmidi.evaluate.musicvae import Report, evaluate, shown
from brainmidi.models.attribute_vectors import ATTRIBUTES_FILE
from brainmidi.models.checkpoint import read_config
from brainmidi.models.configs import CONFIGS
from brainmidi.training import anchors
from brainmidi.training.cards import TRAINING_FILE, Card, write_card
from brainmidi.training.material import load, part_of

N_ANCHORS = 6
#: What a session can play: outputs by part, in two bars.
PLAYED, TWO_BARS = {"melody": ((90,),), "bass": ((90,),), "drums": ((512,),)}, 32

WHAT = {
    "melody": "A variational autoencoder of melodies of {bars} bars: {steps} sixteenths, 90 classes (hold, rest, 88 "
    "pitches), the tonic on C. Its latent is what the brain moves through.",
    "bass": "A variational autoencoder of basses of {bars} bars{chords}: {steps} sixteenths, 90 classes, the tonic on "
    "C.",
    "drums": "A variational autoencoder of drum patterns of {bars} bars: {steps} sixteenths, a set of nine drums at "
    "each.",
    "groove": "A drummer of {bars} bars: reads which of nine drums is struck on which sixteenth (or, of a `tap` "
    "configuration, the rhythm alone), and says how hard, and how far before or after the beat (GrooVAE).",
}
CHORDS = " that is told the chords (49 classes of triads, one at every sixteenth)"
READING = {
    "reconstruction": """\
Reconstruction is in shares of all steps: *teacher forced* is given the true past, *greedy* and *sampled* (temperature
1) the latent alone. *Floor nothing* always answers "no event", *floor other* gives another test phrase. The paper's
figures (Roberts et al. 2018, table 1) are of models trained on 1.5 million MIDI files: a reference, not like for like.
Errors of a groove are mean absolute ones over the hits, an offset of 1 being half a sixteenth; a floor answers each
drum's mean.""",
    "interpolation": """\
*Spearman* is of the mean edit distance to the first end with the place on the way; log likelihoods are those of the
Music Transformer, in nats an event. Attributes are moved to 11 levels, -2 to 2 standard deviations, on 200 held-out
phrases; cross-talk says by how many of its own standard deviations another attribute moves for one of the attribute
that is meant.""",
    "prior": """\
Overlaps are sums of the smaller of two normalised histograms: samples from the prior at temperature 1 (*prior*) and at
a session's 0.75 (*as played*) against the test phrases, beside two halves of these. Basses are trained on livelier and
transposed variants as well, which are not among the test phrases.""",
    "verbatim": """\
A verbatim match is a run of notes with equal intervals and times between onsets, in any key, or a whole bar or phrase
of drums; test phrases stand beside the samples, for what is common in this music anyway.""",
}


def goal_of(report: Report) -> str:
    """Return how far the paper's reconstruction is, in words; empty where the paper has none."""
    lines = report.figures["reconstruction"]
    if "paper_teacher_forced" not in lines:
        return ""
    parts = []
    for mine, paper in (("teacher_forced", "paper_teacher_forced"), ("greedy", "paper_sampled")):
        gap = lines[paper] - lines[mine]
        name = mine.replace("_", " ")
        parts.append(f"{name} {'reaches the goal' if gap <= 0 else f'is {gap:.3f} short of it'}")
    return f"The goal is the paper's reconstruction: {', '.join(parts)}."


def finish(folder: Path, *, cache: Path, collections: tuple[str, ...] = (), data: Path | None = None) -> Report:
    """Choose the anchors of a checkpoint, learn its attribute vectors, measure it, and write its card.

    Parameters
    ----------
    folder : Path
        A checkpoint of ours; ``training.json`` in it says how it was made, and goes into the card.
    cache, collections, data
        As it was trained with; see :func:`brainmidi.training.material.load`.
    """
    config = read_config(folder, "musicvae")
    name, part = str(config["name"]), str(config.get("part") or part_of(str(config["name"])))
    source = load(name, cache=cache, collections=collections, data=data, part=part)
    if part in PLAYED and CONFIGS[name].outputs in PLAYED[part] and CONFIGS[name].n_steps == TWO_BARS:
        from brainmidi.models.compiled import CompiledMusicVae

        pairs = anchors.choose(CompiledMusicVae(folder), name, source, N_ANCHORS)
        if pairs:
            anchors.write_anchors(folder / ANCHORS_FILE, pairs, part)
    score = None
    if part == "melody":
        from brainmidi.evaluate.transformer import melody_likelihood

        score = melody_likelihood("music-transformer_chorales")
    report = evaluate(folder, cache=cache, collections=collections, data=data, log_likelihood=score)
    if report.vectors is not None:
        report.vectors.save(folder / ATTRIBUTES_FILE)
    made: Mapping[str, Any] = {}
    if (folder / TRAINING_FILE).exists():
        made = json.loads((folder / TRAINING_FILE).read_text())
    training = {key: value for key, value in made.items() if key not in ("command", "tried")}
    write_card(
        folder,
        Card(
            title=f"MusicVAE {name}",
            what=WHAT[part].format(
                bars=CONFIGS[name].n_steps // 16,
                steps=CONFIGS[name].n_steps,
                chords=CHORDS if CONFIGS[name].control_depth else "",
            ),
            licences=source.licences,
            command=str(made.get("command", "")),
            training={**training, **source.notes},
            sections=dict(shown(report.figures)),
            notes="\n\n".join(text for section, text in READING.items() if section in report.figures),
            goal=" ".join(text for text in (goal_of(report), str(made.get("tried", ""))) if text),
            free=data is None or part in ("drums", "groove"),
        ),
    )
    return report
