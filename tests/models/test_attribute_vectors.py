from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.errors import ModelError
from brainmidi.models.attribute_vectors import LONGEST, AttributeVectors, learn

NAMES = ("density", "register", "length")
SIZE = 8


class LinearPhrases:
    """Latents (n, 8) of unit variance, and attributes that are exactly linear in them, in units of their own."""

    def __init__(self, seed: int, angle: float, n: int = 4000) -> None:
        rng = np.random.default_rng(seed)
        self.latents = rng.standard_normal((n, SIZE))
        axes = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0][:3]
        # Density and length lie at an angle: of 180 degrees they would be each other's opposite.
        axes[2] = np.cos(angle) * axes[0] + np.sin(angle) * axes[2]
        self.axes = axes

    def attributes(self, latents: np.ndarray) -> np.ndarray:
        return latents @ self.axes.T * [0.5, 5.0, 0.2] + [2.0, 70.0, -1.0]

    def changes(self, move: np.ndarray) -> np.ndarray:
        """Return what a move does to each attribute, in standard deviations."""
        return move @ self.axes.T


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_vector_moves_its_own_attribute_by_one_standard_deviation_and_unrelated_ones_not(seed: int) -> None:
    phrases = LinearPhrases(seed, angle=np.pi / 2)
    vectors = learn(phrases.latents, phrases.attributes(phrases.latents), NAMES)
    assert phrases.changes(vectors.directions) == pytest.approx(np.eye(3), abs=0.1)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_attributes_that_go_together_are_moved_apart_the_further_the_less_length_costs(seed: int) -> None:
    phrases = LinearPhrases(seed, angle=2.4)  # a correlation of -0.74
    values = phrases.attributes(phrases.latents)
    talk, lengths = [], []
    for cost in (100.0, 0.2, 1e-6):
        vectors = learn(phrases.latents, values, NAMES, length_cost=cost)
        talk.append(abs(phrases.changes(vectors.directions[0])[2]))
        lengths.append(np.linalg.norm(vectors.directions[0]))
    assert talk[0] == pytest.approx(0.74, abs=0.1)  # as they go together in the data
    assert talk[0] > talk[1] + 0.1 > talk[2] + 0.2
    assert lengths[0] < lengths[1] < lengths[2]


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0.1, 3.1))
def test_no_vector_is_longer_than_the_longest(seed: int, angle: float) -> None:
    phrases = LinearPhrases(seed, angle)
    noise = np.random.default_rng(seed).standard_normal((len(phrases.latents), 3)) * [0.1, 50, 1]
    vectors = learn(phrases.latents, phrases.attributes(phrases.latents) + noise, NAMES, length_cost=1e-3)
    assert np.linalg.norm(vectors.directions, axis=1).max() <= LONGEST * 1.1  # variances are 1 up to sampling


def test_a_dimension_that_the_decoder_hears_as_noise_is_not_moved_though_it_tells_the_attribute() -> None:
    rng = np.random.default_rng(3)
    latents = rng.standard_normal((4000, 2)) * [1.0, 0.01]
    vectors = learn(latents, latents @ [[1.0], [100.0]], ["density"])
    assert abs(vectors.directions[0, 1]) < 0.05 * abs(vectors.directions[0, 0])


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_moves_add_up_in_any_order_and_over_any_batch(up: float, longer: float) -> None:
    phrases = LinearPhrases(0, angle=2.0)
    vectors = learn(phrases.latents[:200], phrases.attributes(phrases.latents[:200]), NAMES)
    z = phrases.latents[:6].reshape(2, 3, SIZE)
    both = vectors.apply(z, {"register": up, "length": longer})
    assert both == pytest.approx(vectors.apply(vectors.apply(z, {"length": longer}), {"register": up}), abs=1e-5)
    assert both[1, 2] == pytest.approx(vectors.apply(z[1, 2], {"register": up, "length": longer}), abs=1e-6)
    assert (vectors.apply(z, {}) == z.astype(np.float32)).all()


def test_attributes_are_foreseen_in_their_own_units() -> None:
    phrases = LinearPhrases(1, angle=2.0)
    values = phrases.attributes(phrases.latents)
    vectors = learn(phrases.latents, values, NAMES)
    missed = (vectors.foresee(phrases.latents) - values) / values.std(axis=0)
    assert np.abs(missed).max() < 0.3
    assert vectors.foresee(vectors.origin) == pytest.approx(values.mean(axis=0))


def vectors_of(n: int = 2) -> AttributeVectors:
    phrases = LinearPhrases(2, angle=2.0, n=100)
    return learn(phrases.latents, phrases.attributes(phrases.latents)[:, :n], NAMES[:n])


def test_vectors_come_back_from_disk_in_single_precision(tmp_path: Path) -> None:
    path, vectors = tmp_path / "attributes.npz", vectors_of()
    vectors.save(path)
    loaded = AttributeVectors.load(path)
    assert loaded.names == vectors.names
    for name in ("directions", "weights", "origin", "mean", "std"):
        assert (getattr(loaded, name) == getattr(vectors, name).astype(np.float32)).all()


def test_a_file_that_is_missing_cut_short_pickled_or_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "attributes.npz"
    vectors_of().save(path)
    whole = path.read_bytes()
    start = 30 + int.from_bytes(whole[26:28], "little") + int.from_bytes(whole[28:30], "little")
    directory = whole.index(b"PK\x01\x02")
    unknown = (99).to_bytes(2, "little")
    contents = [
        *(whole[: len(whole) // 2], b"", b"text", pickle.dumps({"names": ["density"]})),
        whole[:start] + b"\xff" * 8 + whole[start + 8 :],  # no deflate stream
        whole[:8] + unknown + whole[10 : directory + 10] + unknown + whole[directory + 12 :],  # an unknown compression
    ]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ModelError, match="cannot be read as attribute vectors"):
            AttributeVectors.load(path)
    np.savez(path, names=np.array([object()]), directions=np.zeros(3))
    with pytest.raises(ModelError, match="cannot be read as attribute vectors"):
        AttributeVectors.load(path)
    path.unlink()
    with pytest.raises(ModelError, match="cannot be read as attribute vectors"):
        AttributeVectors.load(path)


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ModelError, match=r"weights of 1 attribute vectors have shape \(2, 2\)"):
        AttributeVectors(("density",), np.zeros((1, 2)), np.zeros((2, 2)), np.zeros(2), np.zeros(1), np.ones(1))


def test_an_unknown_attribute_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="'loudness' is unknown; choose from density, register"):
        vectors_of().apply(np.zeros(SIZE), {"loudness": 1.0})


@pytest.mark.parametrize(
    ("values", "names", "reason"),
    [
        (np.zeros((5, 1)), ["density"], "never changes"),
        (np.full((5, 1), np.nan), ["density"], "not a finite number"),
        (np.zeros((4, 1)), ["density"], "do not pair up"),
        (np.zeros((5, 2)), ["density", "density"], "do not pair up"),
    ],
)
def test_data_that_teach_nothing_are_refused(values: np.ndarray, names: list[str], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        learn(np.arange(10.0).reshape(5, 2), values, names)
