"""Which phrases become corners of a session: known ones, calm or active, in C, far apart, the nearest paired."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_musicvae import Spelling

from brainmidi.codec import chords, drums, melody
from brainmidi.models.configs import CONFIGS
from brainmidi.music.phrase import anchors_from_json
from brainmidi.training import anchors
from brainmidi.training.anchors import Corner, choose, write_anchors
from brainmidi.training.material import Material, Source

MELODY, BASS, DRUMS = "hier-mel_2bar", "hier-bass_2bar_chords", "hier-drums_2bar"
#: Onsets of a calm and of an active melody, in sixteenths, and pitches that begin and end on the tonic's triad.
CALM, ACTIVE = (0, 4, 8, 16, 20, 24), tuple(range(0, 32, 2))
STEPS = (0, 2, 4, 5, 4, 2)


def row(onsets: tuple[int, ...], pitches: list[int]) -> np.ndarray:
    tokens = np.zeros(32, dtype=np.uint8)
    tokens[list(onsets)] = np.array(pitches) - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
    return tokens


def tune(onsets: tuple[int, ...], low: int = 67, middle: int = 0) -> np.ndarray:
    """Return a line of G, A, B, C, ... from G to G; `middle` raises its fourth note."""
    pitches = [low + STEPS[n % 6] for n in range(len(onsets) - 1)] + [low]
    pitches[3] += middle
    return row(onsets, pitches)


def source(rows: list[np.ndarray], part: str = "melody", pieces: list[int] | None = None, under=None) -> Source:
    """Return training phrases, of a piece each unless it is said of which."""
    events = np.stack(rows)
    piece = np.arange(len(rows)) if pieces is None else np.array(pieces)
    names = tuple(f"piece {n}" for n in range(len(rows)))
    return Source(part, {"train": Material(events, under, piece.astype(np.int32), names)}, (), {})


def pieces(pairs: list[tuple[Corner, Corner]]) -> list[tuple[str, str]]:
    return [(calm.piece, active.piece) for calm, active in pairs]


def test_a_pair_is_a_calm_and_an_active_phrase_with_their_latents():
    rows = [tune(ACTIVE), tune(CALM)]
    ((calm, active),) = choose(Spelling(CONFIGS[MELODY]), MELODY, source(rows), 6)
    assert (calm.piece, active.piece) == ("piece 1", "piece 0")
    assert np.array_equal(calm.tokens, rows[1])
    assert np.array_equal(active.mu, rows[0].astype(np.float32))
    assert calm.given_back == active.given_back == 1.0


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(tune(CALM, middle=-4), id="an accidental"),
        pytest.param(tune(CALM, low=69), id="another key, from A"),
        pytest.param(tune(CALM, low=55), id="too low"),
        pytest.param(tune(CALM, middle=12), id="too wide a leap"),
        pytest.param(row(CALM, [67, 67, 67, 67, 67, 67]), id="one note over and over"),
        pytest.param(tune((1, 4, 8, 16, 20, 24)), id="begins late"),
        pytest.param(tune((0, 4, 8, 12, 20, 24)), id="a second bar that does not begin"),
        pytest.param(tune((0, 3, 7, 16, 19, 25)), id="off the eighths"),
        pytest.param(tune(tuple(range(0, 24, 2))), id="neither calm nor active"),
        pytest.param(np.zeros(32, np.uint8), id="silence"),
    ],
)
def test_a_line_that_does_not_suit_is_no_corner(spoilt):
    assert choose(Spelling(CONFIGS[MELODY]), MELODY, source([spoilt, tune(ACTIVE)]), 6) == []
    assert len(choose(Spelling(CONFIGS[MELODY]), MELODY, source([tune(CALM), tune(ACTIVE)]), 6)) == 1


def test_there_are_as_many_pairs_as_pieces_on_the_smaller_side_and_no_more_than_asked_for():
    calm = [tune(CALM, middle=k) for k in (0, 2, 4)] + [tune(CALM, low=72), tune(CALM, low=72, middle=2)]
    active = [tune(ACTIVE, middle=k) for k in (0, 2, 4)]
    rows = calm + active
    model = Spelling(CONFIGS[MELODY])
    assert len(choose(model, MELODY, source(rows), 6)) == 3
    assert len(choose(model, MELODY, source(rows), 2)) == 2
    of_two = source(rows, pieces=[0, 0, 0, 1, 1, 2, 3, 4])
    found = pieces(choose(model, MELODY, of_two, 6))
    assert sorted(calm for calm, _ in found) == ["piece 0", "piece 1"]


def test_phrases_that_the_model_does_not_give_back_wait_until_there_are_too_few_others(monkeypatch):
    forgotten = tune((0, 4, 10, 16, 20, 24))  # the only one with a note on step 10
    rows = [forgotten, tune(CALM), tune(CALM, middle=2), tune(ACTIVE)]
    model = Spelling(CONFIGS[MELODY], forgets=[10])
    far_apart, candidates = anchors._far_apart, []

    def seen(corners: list[Corner], n: int) -> list[Corner]:
        candidates.append(sorted(corner.piece for corner in corners))
        return far_apart(corners, n)

    monkeypatch.setattr(anchors, "_far_apart", seen)
    for enough in (2, 3):
        monkeypatch.setattr(anchors, "BEST_KNOWN", enough)
        choose(model, MELODY, source(rows), 6)
    assert candidates[::2] == [["piece 1", "piece 2"], ["piece 0", "piece 1", "piece 2"]]


def test_partners_lie_next_to_each_other_and_corners_far_apart():
    near, close, far = tune(CALM), tune(CALM, middle=2), tune(CALM, low=72)
    high, low = tune(ACTIVE, low=72), tune(ACTIVE)
    found = pieces(choose(Spelling(CONFIGS[MELODY]), MELODY, source([near, close, far, high, low]), 2))
    assert set(found) in ({("piece 2", "piece 3"), (middle, "piece 4")} for middle in ("piece 0", "piece 1"))


def test_the_same_phrase_in_two_pieces_is_one_corner():
    rows = [tune(CALM), tune(CALM), tune(ACTIVE), tune(ACTIVE, middle=2)]
    assert len(choose(Spelling(CONFIGS[MELODY]), MELODY, source(rows), 6)) == 1


def test_a_bass_begins_under_the_tonic_and_stays_under_chords_of_the_key():
    low = 36
    calm, active = (row(on, [low + STEPS[n % 6] for n in range(len(on) - 1)] + [low]) for on in (CALM, ACTIVE))
    tonic, dominant, foreign = (chords.encode(root, kind) for root, kind in ((0, "major"), (7, "major"), (2, "major")))
    model = Spelling(CONFIGS[BASS])

    def n_pairs(first: int, second: int) -> int:
        under = np.full((2, 32), first, dtype=np.uint8)
        under[0, 16:] = second
        return len(choose(model, BASS, source([calm, active], "bass", under=under), 6))

    assert n_pairs(tonic, dominant) == 1
    assert n_pairs(dominant, tonic) == 0
    assert n_pairs(tonic, foreign) == 0


def beat(every: int, *, backbeat: bool = True, toms: int = 0) -> np.ndarray:
    """Return a rock beat with a hi-hat every so many sixteenths."""
    bits = np.zeros((32, drums.N_DRUMS), dtype=bool)
    bits[[0, 8, 16, 24], drums.KICK] = True
    bits[[4, 12, 20, 28] if backbeat else [2, 10, 18, 26], drums.SNARE] = True
    bits[::every, drums.CLOSED_HAT] = True
    bits[1 : 1 + toms, drums.LOW_TOM] = True
    return drums.pack(bits).astype(np.uint16)


def test_drums_have_kick_backbeat_and_no_fill():
    model = Spelling(CONFIGS[DRUMS])
    calm, active = beat(4), beat(1)
    ((sparse, busy),) = choose(model, DRUMS, source([active, calm], "drums"), 6)
    assert (sparse.piece, busy.piece) == ("piece 1", "piece 0")
    for spoilt in (beat(4, backbeat=False), beat(4, toms=4), beat(32)):
        assert choose(model, DRUMS, source([active, spoilt], "drums"), 6) == []
    assert len(choose(model, DRUMS, source([active, beat(4, toms=3)], "drums"), 6)) == 1


@pytest.mark.parametrize(("part", "rows"), [("melody", (CALM, ACTIVE)), ("drums", (4, 1))])
def test_what_is_written_is_read_as_the_same_anchors(tmp_path: Path, part, rows):
    tokens = [tune(on) if part == "melody" else beat(on) for on in rows]
    z = np.zeros(4, dtype=np.float32)
    calm, active = (Corner(f"piece {n}", row, z, 1.0) for n, row in enumerate(tokens))
    path = tmp_path / "anchors.json"
    write_anchors(path, [(calm, active), (active, calm)], part)
    assert [anchor["calm_from"] for anchor in json.loads(path.read_text())] == ["piece 0", "piece 1"]
    first, second = anchors_from_json(path.read_text(), part)
    codec = drums if part == "drums" else melody
    assert (first.name, second.name) == ("A", "B")
    for anchor, (quiet, busy) in ((first, tokens), (second, tokens[::-1])):
        assert np.array_equal(codec.encode(anchor.calm), quiet)
        assert np.array_equal(codec.encode(anchor.active), busy)
