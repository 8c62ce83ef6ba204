"""Toy models whose answers are known: a circle of phrases, and a latent that is linear in the attributes."""

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.codec import attributes, melody
from brainmidi.evaluate.latent import attribute_table, interpolation, prior_overlap

C4 = 60 - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
STEPS = 32


def turned(count: np.ndarray, pitch: int = 64) -> np.ndarray:
    """Return rows whose first `count` tokens start E4, or another pitch, and the others C4."""
    return np.where(np.arange(STEPS) < np.asarray(count)[:, None], pitch - 60 + C4, C4)


def encode_circle(rows: np.ndarray) -> np.ndarray:
    angle = (rows != C4).sum(axis=1) * np.pi / 2 / STEPS
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def decode_circle(z: np.ndarray) -> np.ndarray:
    return turned(np.round(np.arctan2(z[:, 1], z[:, 0]) * 2 / np.pi * STEPS).astype(int))


def test_on_a_circle_of_phrases_the_edit_distance_grows_as_the_angle_does() -> None:
    rows = turned(np.array([0, 32]))
    figures = interpolation(encode_circle, decode_circle, rows, n_steps=9)
    assert figures.distance == pytest.approx(np.linspace(0, 1, 9))
    assert figures.spearman == figures.spearman_of_pairs == pytest.approx(1.0)
    assert (figures.in_key, figures.pairs_in_key) == (1.0, 2)
    assert figures.log_likelihood is None


def test_a_latent_that_jumps_back_and_forth_does_not_rise_monotonically() -> None:
    def fold(z: np.ndarray) -> np.ndarray:
        way = np.arctan2(z[:, 1], z[:, 0]) * 2 / np.pi  # 0..1, there and back again
        return turned(np.round(STEPS * (1 - np.abs(1 - 2 * way))).astype(int))

    figures = interpolation(encode_circle, fold, turned(np.array([0, 32])), n_steps=9)
    assert figures.spearman_of_pairs == pytest.approx(0.0)


def test_a_step_outside_the_scale_of_both_ends_is_not_in_key() -> None:
    def sharp_on_the_way(z: np.ndarray) -> np.ndarray:
        count = (decode_circle(z) != C4).sum(axis=1)
        rows = turned(count)
        between = (count > 0) & (count < STEPS)
        rows[between] = turned(count[between], pitch=61)
        return rows

    figures = interpolation(encode_circle, sharp_on_the_way, turned(np.array([0, 32])), n_steps=5)
    assert figures.in_key == 2 / 5


def test_a_pair_of_a_major_and_a_minor_phrase_has_no_key_to_keep() -> None:
    figures = interpolation(encode_circle, decode_circle, np.stack([turned([9], 64)[0], turned([9], 63)[0]]), n_steps=3)
    assert figures.pairs_in_key == 0
    assert np.isnan(figures.in_key)


def test_the_crossfade_goes_token_by_token_from_one_held_out_phrase_to_the_other() -> None:
    rows = turned(np.array([0, 8, 16, 32]))
    figures = interpolation(encode_circle, decode_circle, rows, n_steps=5)
    first, last = figures.crossfade_rows[:, 0], figures.crossfade_rows[:, -1]
    assert sorted(first.tolist()) == sorted(last.tolist()) == sorted(rows.tolist())
    assert (first != last).any(axis=1).all()  # no phrase is paired with itself
    assert ((figures.crossfade_rows == first[:, None]) | (figures.crossfade_rows == last[:, None])).all()
    assert figures.crossfade_distance[0] == 0


def test_another_model_scores_each_step_of_both_ways() -> None:
    def share_of_e4(rows: np.ndarray) -> np.ndarray:
        return (rows != C4).mean(axis=1)

    rows = turned(np.array([0, 32]))
    figures = interpolation(encode_circle, decode_circle, rows, n_steps=9, log_likelihood=share_of_e4)
    assert figures.log_likelihood == pytest.approx(np.full(9, 0.5))  # one pair goes up, the other down
    assert figures.crossfade_log_likelihood is not None
    assert figures.crossfade_log_likelihood[[0, -1]] == pytest.approx([0.5, 0.5])


@pytest.fixture(scope="module")
def bank() -> np.ndarray:
    """Random phrases: so many, so high, and so long notes that every attribute varies on its own."""
    rng = np.random.default_rng(0)
    n = 4000
    busy, rest, centre = rng.uniform(0.1, 0.7, (n, 1)), rng.uniform(0, 0.5, (n, 1)), rng.uniform(55, 80, (n, 1))
    pitches = np.round(centre + rng.uniform(1, 9, (n, 1)) * rng.standard_normal((n, STEPS))).astype(int)
    rows = np.where(rng.random((n, STEPS)) < rest, melody.NOTE_OFF, melody.NO_EVENT)
    rows = np.where(rng.random((n, STEPS)) < busy, np.clip(pitches, 40, 100) - 60 + C4, rows)
    return rows[attributes.onsets(rows).any(axis=1)]


class LinearToy:
    """Latents that are a linear mixture of the standardised attributes; the decoder looks the nearest phrase up."""

    def __init__(self, bank: np.ndarray, mixing: np.ndarray) -> None:
        measured = attributes.measure(bank)
        self.mean, self.std, self.mixing, self.bank = measured.mean(axis=0), measured.std(axis=0), mixing, bank
        self.known = self.encode(bank)

    def encode(self, rows: np.ndarray) -> np.ndarray:
        return (attributes.measure(rows) - self.mean) / self.std @ self.mixing

    def decode(self, z: np.ndarray) -> np.ndarray:
        away = (z**2).sum(axis=1)[:, None] - 2 * z @ self.known.T + (self.known**2).sum(axis=1)
        return self.bank[away.argmin(axis=1)]


def test_a_latent_that_is_linear_in_the_attributes_gives_vectors_that_move_one_attribute_each(bank: np.ndarray) -> None:
    toy = LinearToy(bank, np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0])
    table = attribute_table(toy.encode, toy.decode, bank, bank, n=60, levels=11, reach=1.0)
    assert table.means.shape == (6, 11, 6)
    assert table.spearman.min() > 0.97
    off_diagonal = table.cross_talk[~np.eye(6, dtype=bool)]
    assert np.abs(off_diagonal).max() < 0.6  # the nearest phrase is not quite the one that was asked for
    assert np.abs(off_diagonal).mean() < np.abs(table.correlation[~np.eye(6, dtype=bool)]).mean()


def test_a_decoder_that_hears_nothing_has_no_monotone_attribute(bank: np.ndarray) -> None:
    toy = LinearToy(bank, np.eye(6))
    table = attribute_table(toy.encode, lambda z: np.resize(bank[:7], (len(z), STEPS)), bank, bank, n=20, levels=5)
    assert not (np.abs(table.spearman) > 0.9).all()
    assert np.abs(table.gain).max() < 0.3


def test_a_model_that_plays_the_test_set_overlaps_it_and_one_of_a_single_note_does_not(bank: np.ndarray) -> None:
    def by_heart(z: np.ndarray) -> np.ndarray:
        return np.resize(bank, (len(z), STEPS))

    good = prior_overlap(by_heart, bank, 4, n=len(bank))
    assert set(good) == {"pitch-class entropy", "note length", "interval"}
    assert all(value["prior"] == pytest.approx(1.0) for value in good.values())
    assert all(0.9 < value["halves"] < 1.0 for value in good.values())
    one_note = np.zeros((50, STEPS), dtype=int)
    one_note[:, 0] = C4
    poor = prior_overlap(lambda z: one_note, bank, 4, n=50)
    assert max(value["prior"] for value in poor.values()) < 0.1


def test_prior_samples_are_standard_gaussian() -> None:
    seen: list[np.ndarray] = []

    def decode(z: np.ndarray) -> np.ndarray:
        seen.append(z)
        return turned(np.zeros(len(z)))

    prior_overlap(decode, turned(np.arange(9)), 16, n=1000)
    assert seen[0].shape == (1000, 16)
    assert abs(seen[0].mean()) < 0.05
    assert seen[0].std() == pytest.approx(1.0, abs=0.05)
