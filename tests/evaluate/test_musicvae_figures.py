"""The figures of a MusicVAE, on models whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_musicvae import Spelling

from brainmidi.codec import chords, groove, melody
from brainmidi.evaluate import musicvae
from brainmidi.models.configs import CONFIGS
from brainmidi.training.material import Material, Source, feed

MELODY, BASS, DRUMS, GROOVE = "hier-mel_2bar", "hier-bass_2bar_chords", "hier-drums_2bar", "hier-groove_2bar_hits"
WHITE = [pitch for pitch in range(60, 84) if pitch % 12 in (0, 2, 4, 5, 7, 9, 11)]


def classes(*pitches: int) -> np.ndarray:
    """Return one row of 32 steps: a quarter note for each pitch, held, and silence after the last."""
    row = np.zeros(32, dtype=np.uint8)
    for n, pitch in enumerate(pitches):
        row[4 * n] = pitch - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
    if len(pitches) < 8:
        row[4 * len(pitches)] = melody.NOTE_OFF
    return row


def phrases(rows: np.ndarray, under: np.ndarray | None = None) -> Material:
    return Material(rows, under, np.arange(len(rows), dtype=np.int32), tuple(f"tune {n}" for n in range(len(rows))))


def tunes(n: int, seed: int = 0) -> np.ndarray:
    """Return random rows in C major; some of the notes come an eighth late."""
    rng = np.random.default_rng(seed)
    rows = np.stack([classes(*rng.choice(WHITE, rng.integers(3, 9))) for _ in range(n)])
    late = rng.random((n, 8)) < 0.3
    rows[:, 2::4], rows[:, ::4] = np.where(late, rows[:, ::4], 0), np.where(late, 0, rows[:, ::4])
    return rows


def line(model: Spelling, name: str = MELODY) -> musicvae.Line:
    return musicvae.Line(model, feed(name, model.config))


def inputs(rows: np.ndarray) -> tuple[np.ndarray, ...]:
    return feed(MELODY, CONFIGS[MELODY])(phrases(rows))


# --- reconstruction ---


def test_a_model_that_gives_everything_back_is_right_throughout():
    figures = musicvae.reconstruction(Spelling(CONFIGS[MELODY]), inputs(tunes(10)), "melody")
    names = ("teacher_forced", "greedy", "sampled", "greedy_onsets", "greedy_phrases")
    assert [figures[name] for name in names] == [1.0] * 5
    assert figures["phrases"] == 10
    assert (figures["paper_teacher_forced"], figures["paper_sampled"]) == musicvae.PAPER["melody"]


def test_forgotten_steps_are_counted_by_steps_onsets_and_phrases():
    rows = np.stack([classes(60, 62, 64, 65), classes(60, 62)])
    model = Spelling(CONFIGS[MELODY], forgets=[12], untaught=[0])  # an onset of the first row, nothing in the second
    figures = musicvae.reconstruction(model, inputs(rows), "bass")
    assert figures["greedy"] == figures["sampled"] == 63 / 64
    assert figures["greedy_onsets"] == pytest.approx(5 / 6)
    assert figures["greedy_phrases"] == 0.5
    assert figures["teacher_forced"] == 62 / 64
    assert "paper_sampled" not in figures


def test_floors_are_what_answering_nothing_and_another_phrase_score():
    rows = np.stack([classes(60, 62, 64, 65), classes(60, 62)])  # 5 and 3 steps on which something happens
    figures = musicvae.reconstruction(Spelling(CONFIGS[MELODY]), inputs(rows), "melody")
    assert figures["floor_nothing"] == (27 + 29) / 64
    assert figures["floor_other"] == 29 / 32  # steps 8, 12 and 16 differ


def test_the_kl_divergence_is_in_bits_a_phrase():
    row = np.zeros((1, 32), dtype=np.uint8)
    row[0, :2] = 3, 4  # mu is (3, 4, 0, ...), sigma is 1: 25 / 2 nats
    figures = musicvae.reconstruction(Spelling(CONFIGS[MELODY]), inputs(row), "melody")
    assert figures["kl_bits"] == pytest.approx(12.5 / np.log(2))


def test_phrases_in_several_batches_count_alike(monkeypatch):
    whole = musicvae.reconstruction(Spelling(CONFIGS[MELODY], forgets=[4]), inputs(tunes(10)), "melody")
    monkeypatch.setattr(musicvae, "BATCH", 3)
    assert musicvae.reconstruction(Spelling(CONFIGS[MELODY], forgets=[4]), inputs(tunes(10)), "melody") == whole


class Drummer:
    """Answers every hit a tenth too loud and half as far off the beat; what it is told is kept."""

    def __init__(self, truth: np.ndarray) -> None:
        self.truth = truth

    def encode(self, events: np.ndarray, *_: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((len(events), 4), np.float32), np.ones((len(events), 4), np.float32)

    def decode(self, z: np.ndarray, *, forced: np.ndarray, controls: np.ndarray | None) -> np.ndarray:
        self.forced, self.controls = forced, controls
        played = self.truth.copy()
        played[..., groove.VELOCITIES] += 0.1
        played[..., groove.OFFSETS] *= 0.5
        return played


def test_a_drummers_errors_are_over_the_hits_and_it_is_told_the_hits_alone():
    truth = np.zeros((2, 32, groove.N_FEATURES), dtype=np.float32)
    for n, (velocity, offset) in enumerate(((0.2, 0.4), (0.8, -0.2))):
        truth[n, 0, [0, 9, 18]] = 1.0, velocity, offset
    drummer = Drummer(truth)
    figures = musicvae.grooves(drummer, feed(GROOVE, CONFIGS[GROOVE])(phrases(truth)))
    assert figures["velocity_error"] == pytest.approx(0.1, abs=1e-6)
    assert figures["velocity_error_floor"] == pytest.approx(0.3, abs=1e-6)  # always 0.5
    assert figures["offset_error"] == pytest.approx((0.2 + 0.1) / 2, abs=1e-6)
    assert figures["offset_error_floor"] == pytest.approx(0.3, abs=1e-6)  # always 0.1
    assert figures["velocity_correlation"] == pytest.approx(1.0)
    assert (figures["hits"], figures["phrases"]) == (2, 2)
    assert np.array_equal(drummer.forced[..., groove.HITS], truth[..., groove.HITS])
    assert np.isnan(drummer.forced[..., 9:]).all()
    assert np.array_equal(drummer.controls, truth[..., groove.HITS])


# --- rows in, rows out ---


def test_rows_go_through_a_line_and_come_back():
    rows = tunes(5).astype(np.int64)
    through = line(Spelling(CONFIGS[MELODY]))
    assert np.array_equal(through.decode(through.encode(rows)), rows)


def test_in_key_only_tones_of_c_major_are_allowed_and_rests_and_holds_still_are():
    rows = classes(61, 63, 60)[None].astype(np.float32)
    through = line(Spelling(CONFIGS[MELODY]))
    free, held = through.decode(rows)[0], through.decode(rows, in_key=True)[0]
    assert np.array_equal(free, rows[0])
    pitches = held[held >= melody.FIRST_PITCH_CLASS] - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
    assert set(pitches % 12) <= {0, 2, 4, 5, 7, 9, 11}
    assert len(pitches) == 3
    assert held[12] == melody.NOTE_OFF


def test_a_model_with_chords_is_told_the_tonic_or_those_that_are_given():
    through = line(model := Spelling(CONFIGS[BASS]), BASS)
    z = through.encode(classes(60)[None])
    through.decode(z)
    assert model.told["controls"].shape == (1, 32, chords.N_CLASSES)
    assert (model.told["controls"].argmax(axis=-1) == chords.encode(0, "major")).all()
    through.decode(z, under=np.full((1, 32), chords.encode(7, "major")))
    assert (model.told["controls"].argmax(axis=-1) == chords.encode(7, "major")).all()


def test_samples_follow_from_their_seed():
    through = line(model := Spelling(CONFIGS[MELODY]))
    drawn = []
    for seed in (1, 1, 2):
        through.decode(np.zeros((1, 32)), noise=True, seed=seed)
        drawn.append(model.told["noise"])
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


# --- between, beyond, verbatim ---


def test_only_a_way_between_phrases_in_c_major_is_held_to_the_scale():
    through = line(Spelling(CONFIGS[MELODY]))
    white = phrases(np.stack([classes(60, 64, 67), classes(72, 76, 79)]))
    black = phrases(np.stack([classes(61, 63, 66), classes(73, 75, 78)]))
    figures = musicvae.interpolation(through, white, None)
    assert figures["steps_in_key_under_the_scale"] == 1.0
    assert figures["steps_in_key"] < 1.0
    assert figures["pairs"] == 2
    assert "log_likelihood_between" not in figures
    assert "steps_in_key_under_the_scale" not in musicvae.interpolation(through, black, None)


def test_ways_are_scored_at_their_ends_and_between_them():
    rows = phrases(np.stack([classes(60), classes(72)]))

    def notes(found: np.ndarray) -> np.ndarray:
        return np.isin(found[:, 0], [classes(60)[0], classes(72)[0]]).astype(float)

    figures = musicvae.interpolation(line(Spelling(CONFIGS[MELODY])), rows, notes)
    assert figures["log_likelihood_of_the_ends"] == 1.0
    assert figures["log_likelihood_of_a_crossfade"] == 1.0  # each step is of one end or the other
    assert figures["log_likelihood_between"] < 0.5  # this model's way leads through the pitches between


def test_drums_are_compared_with_training_phrases_and_with_their_bars(monkeypatch):
    monkeypatch.setattr(musicvae, "SAMPLES", 8)
    one, two = np.arange(16, dtype=np.uint8), np.arange(16, 32, dtype=np.uint8)
    train = phrases(np.stack([np.concatenate([one, two])]))
    test = phrases(np.stack([np.concatenate([one, two]), np.concatenate([two, one]), np.full(32, 99, np.uint8)]))
    source = Source("drums", {"train": train, "test": test}, (), {})
    figures = musicvae.verbatim(line(Spelling(CONFIGS[DRUMS]), DRUMS), source)
    assert figures["test_phrases_that_are_training_phrases"] == pytest.approx(1 / 3)
    assert figures["test_phrases_bars_that_are_training_bars"] == pytest.approx(4 / 6)
    assert figures["samples_that_are_training_phrases"] == 0.0


def test_melodies_are_compared_with_training_phrases_in_any_key(monkeypatch):
    monkeypatch.setattr(musicvae, "SAMPLES", 8)
    source = Source(
        "melody",
        {"train": phrases(classes(60, 62, 64, 65)[None]), "test": phrases(classes(65, 67, 69, 70)[None])},
        (),
        {},
    )
    figures = musicvae.verbatim(line(Spelling(CONFIGS[MELODY])), source)
    assert (figures["test_phrases_longest_notes"], figures["test_phrases_wholly_in_training"]) == (4, 1.0)
    assert figures["test_phrases_longest_beats"] == 3.0
    assert figures["samples_wholly_in_training"] < 1.0


# --- all of it ---


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the report of a model of perfect memory, by its configuration."""
    for name, few in (("PHRASES", 20), ("SAMPLES", 40), ("LEARNED_FROM", 60)):
        monkeypatch.setattr(musicvae, name, few)

    def report(name: str, source: Source, model: Any) -> musicvae.Report:
        monkeypatch.setattr(musicvae, "find_checkpoint", lambda checkpoint: tmp_path)
        monkeypatch.setattr(musicvae, "read_config", lambda folder, kind: {"name": name, "part": source.part})
        monkeypatch.setattr(musicvae, "load", lambda *_, **__: source)
        fake = SimpleNamespace(CompiledMusicVae=lambda folder: model)
        monkeypatch.setitem(sys.modules, "brainmidi.models.compiled", fake)
        return musicvae.evaluate(name, cache=tmp_path)

    return report


def test_each_part_has_its_sections_and_only_a_melody_attribute_vectors(measured):
    under = np.full((60, 32), chords.encode(0, "major"), dtype=np.uint8)
    beats = np.random.default_rng(1).integers(0, 512, (60, 32)).astype(np.uint8)
    sections = {
        MELODY: ("melody", phrases(tunes(60)), phrases(tunes(40, seed=1))),
        BASS: ("bass", phrases(tunes(60), under), phrases(tunes(40, seed=1), under[:40])),
        DRUMS: ("drums", phrases(beats), phrases(beats[:40])),
    }
    found = {}
    for name, (part, train, test) in sections.items():
        source = Source(part, {"train": train, "test": test}, (), {})
        report = measured(name, source, Spelling(CONFIGS[name]))
        found[name] = set(report.figures)
        assert (report.vectors is not None) == (name == MELODY)
        assert report.figures["reconstruction"]["greedy"] == 1.0
        assert report.figures["reconstruction"]["phrases"] == 20
    assert found == {
        MELODY: {"reconstruction", "interpolation", "attributes", "cross-talk", "prior", "verbatim"},
        BASS: {"reconstruction", "prior", "verbatim"},
        DRUMS: {"reconstruction", "verbatim"},
    }


def test_a_groove_is_measured_by_its_drummer_alone(measured):
    truth = np.zeros((3, 32, groove.N_FEATURES), dtype=np.float32)
    truth[:, 0, 0], truth[:, 0, groove.VELOCITIES.start], truth[:, 0, groove.OFFSETS.start] = (
        1.0,
        *[(0.1, 0.5, 0.9)] * 2,
    )
    drummer = Drummer(truth)
    drummer.config = CONFIGS[GROOVE]  # type: ignore[attr-defined]
    report = measured(GROOVE, Source("groove", {"train": phrases(truth), "test": phrases(truth)}, (), {}), drummer)
    assert set(report.figures) == {"reconstruction"}
    assert report.figures["reconstruction"]["hits"] == 3


def test_an_attribute_that_never_changes_is_told_and_the_rest_is_measured(measured):
    same = phrases(np.repeat(classes(60, 64, 67)[None], 40, axis=0))
    report = measured(MELODY, Source("melody", {"train": same, "test": same}, (), {}), Spelling(CONFIGS[MELODY]))
    assert report.vectors is None
    assert list(report.figures["attributes"]) == ["none"]
    assert "verbatim" in report.figures


def test_figures_are_shown_rounded_with_spaces_for_underscores():
    assert musicvae.shown({"prior": {"note_length_halves": 0.123456, "phrases": 7}}) == [
        ("prior", [("note length halves", "0.1235"), ("phrases", "7")])
    ]


def test_phrases_are_taken_from_all_of_a_split():
    taken = musicvae.spread(phrases(tunes(10)), 4).piece
    assert taken.tolist() == [0, 3, 6, 9]
    assert len(musicvae.spread(phrases(tunes(3)), 4)) == 3
