"""The numpy step gives the logits of attention computed pair by pair, whatever was heard, kept and gone back to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_transformer import of_ours
from small_transformers import CONFIGS, N_EVENTS, SMALL, TOKENS, drawn

from brainmidi.errors import ModelError
from brainmidi.models.checkpoint import find_checkpoint, save_weights
from brainmidi.models.stepper import CHUNK, Tape, TransformerStepper

ROW = TOKENS[0]


def stepper_of(folder: Path, config) -> TransformerStepper:
    save_weights(folder, {"kind": "transformer", "name": "small", **config.to_json()}, drawn(config), half=False)
    return TransformerStepper(folder)


@pytest.fixture(scope="module")
def steppers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: stepper_of(folder / str(n), config) for n, (name, config) in enumerate(CONFIGS.items())}


@pytest.fixture(scope="module")
def wanted() -> dict[str, np.ndarray]:
    """Return the logits (N_EVENTS, v) of each configuration, computed pair by pair."""
    return {name: of_ours(config, drawn(config)).logits(ROW.tolist()) for name, config in CONFIGS.items()}


def heard(stepper, tokens):
    return stepper.prefill(np.asarray(tokens, dtype=np.int32), stepper.initial())[1]


@pytest.mark.parametrize("name", CONFIGS)
def test_event_by_event_the_logits_are_the_plain_ones(steppers, wanted, name):
    stepper = steppers[name]
    cache, found = stepper.initial(), []
    for token in ROW:
        logits, cache = stepper.step(int(token), cache)
        found.append(logits)
    assert np.array(found) == pytest.approx(wanted[name], abs=1e-4)
    assert cache.seen == N_EVENTS


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("chunks", [[N_EVENTS], [16, 17, 7], [0, 3, 30, 7], [1] * 10 + [30]])
def test_a_prompt_read_in_any_chunks_gives_the_plain_logits(steppers, wanted, name, chunks):
    stepper = steppers[name]
    cache, found, at = stepper.initial(), [], 0
    for size in chunks:
        logits, cache = stepper.prefill(ROW[at : at + size], cache)
        assert logits.shape == (size, SMALL.n_classes)
        found.append(logits)
        at += size
    assert np.concatenate(found) == pytest.approx(wanted[name], abs=1e-4)


def test_an_empty_prompt_leaves_everything_as_it_was(steppers):
    stepper = steppers["relative"]
    cache = heard(stepper, ROW[:5])
    logits, same = stepper.prefill(np.array([], dtype=np.int32), cache)
    assert logits.shape == (0, SMALL.n_classes)
    assert same == cache


@pytest.mark.parametrize("name", CONFIGS)
def test_a_session_outlives_its_tape_and_depends_on_what_the_layers_reach_alone(steppers, name):
    stepper = steppers[name]
    room = Tape(SMALL, 1).room
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, SMALL.n_classes, 2 * room + 9)
    cache = stepper.initial()
    for token in tokens[: room + 20]:
        _, cache = stepper.step(int(token), cache)
    rest = tokens[room + 20 :]
    found = []
    for token in rest:
        logits, cache = stepper.step(int(token), cache)
        found.append(logits)
    at_once, same = stepper.prefill(tokens, stepper.initial())
    assert len(tokens) > CHUNK
    assert np.array(found) == pytest.approx(at_once[room + 20 :], abs=1e-4)
    assert cache.seen == same.seen == len(tokens)
    assert cache.tape.room == room


@settings(max_examples=40, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(CONFIGS)))
def test_any_cache_may_be_kept_and_gone_on_from_in_any_order(steppers, data, name):
    """Law: a cache stands for its own events alone, whatever else was fed in between."""
    stepper = steppers[name]
    known = [((), stepper.initial())]
    for _ in range(data.draw(st.integers(1, 8))):
        tokens, cache = data.draw(st.sampled_from(known))
        more = data.draw(st.lists(st.integers(0, SMALL.n_classes - 1), max_size=24))
        logits, after = stepper.prefill(np.array(more, dtype=np.int32), cache)
        known.append(((*tokens, *more), after))
        alone, _ = stepper.prefill(np.array([*tokens, *more], dtype=np.int32), stepper.initial())
        assert logits == pytest.approx(alone[len(tokens) :], abs=1e-4)


def test_going_back_gives_the_same_logits_bit_for_bit(steppers):
    stepper = steppers["relative"]
    kept = heard(stepper, ROW[:30])
    first, on = stepper.step(3, kept)
    for token in range(20):
        _, on = stepper.step(token, on)
    again, _ = stepper.step(3, kept)
    assert np.array_equal(first, again)


def test_rows_go_on_together_as_they_would_alone(steppers):
    stepper = steppers["both"]
    one = heard(stepper, ROW[:21])
    three = stepper.repeated(one, 3)
    tokens = np.array([1, 5, 9])
    for _ in range(3):
        logits, three = stepper.step(tokens, three)
        tokens = logits.argmax(axis=1)
    for n, token in enumerate([1, 5, 9]):
        cache = one
        for _ in range(3):
            alone, cache = stepper.step(token, cache)
            token = int(alone.argmax())
        assert logits[n] == pytest.approx(alone, abs=1e-4)
    both = np.stack([ROW[:9], ROW[9:18]])
    found, _ = stepper.prefill(both, stepper.initial(2))
    for n in range(2):
        assert found[n] == pytest.approx(stepper.prefill(both[n], stepper.initial())[0], abs=1e-4)


def test_rows_that_do_not_fit_the_cache_are_refused(steppers):
    stepper = steppers["relative"]
    with pytest.raises(ModelError, match="3 rows of events do not fit a cache of 1; repeat the cache"):
        stepper.step(np.array([1, 2, 3]), stepper.initial())
    with pytest.raises(ModelError, match="a cache of 2 rows cannot be repeated"):
        stepper.repeated(stepper.initial(2), 4)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    weights = drawn(SMALL)
    del weights["norm/beta"]
    save_weights(tmp_path, {"kind": "transformer", "name": "small", **SMALL.to_json()}, weights)
    with pytest.raises(ModelError, match=r"missing \['norm/beta'\]"):
        TransformerStepper(tmp_path)


@pytest.mark.models
def test_the_shipped_model_steps_as_its_keras_model_does():
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.checkpoint import put_weights, read_weights
    from brainmidi.models.transformer import MusicTransformer

    folder = find_checkpoint("music-transformer_chorales")
    stepper = TransformerStepper(folder)
    tokens = np.random.default_rng(2).integers(0, 310, (1, 600)).astype(np.int32)
    model = MusicTransformer(stepper.config)
    put_weights(model, read_weights(folder))
    found, cache = stepper.prefill(tokens[0, :599], stepper.initial())
    last, _ = stepper.step(int(tokens[0, 599]), cache)
    assert np.vstack([found, last]) == pytest.approx(np.asarray(model(tokens))[0], abs=1e-4)
