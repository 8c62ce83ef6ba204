"""Open and closed eyes: known answers on made-up heads, and what real recordings have to show."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from eeg_files import needs_recordings

from brainmidi.controls.baseline import FeatureRest
from brainmidi.errors import BrainmidiError, ConfigError, SourceError
from brainmidi.evaluate import eeg, eyes, onset
from brainmidi.evaluate.eegfigure import Control, Figure, table, write
from brainmidi.evaluate.resample import bootstrap
from brainmidi.types import Montage

HEAD = Montage(("Fz", "O1", "O2"), 128.0)


def made_up(seconds: float, alpha_uv: float, seed: int):
    rng = np.random.default_rng(seed)
    n = round(seconds * HEAD.rate_hz)
    samples = rng.normal(0, 8, (n, 3))
    samples += alpha_uv * np.sin(2 * np.pi * 10 * np.arange(n) / HEAD.rate_hz)[:, None] * (0.3, 1.0, 1.0)
    return onset.joined([samples], HEAD)


@pytest.fixture(scope="module")
def closing() -> list[Figure]:
    return onset.onset_figures(made_up(40, 0, 1), made_up(40, 20, 2), splices=8)


def test_alpha_on_closing_the_eyes_is_seen_and_soon(closing) -> None:
    pair = eyes.Eyes(made_up(40, 0, 1), made_up(40, 20, 2))
    found = eyes.separation(pair, "alpha.occipital", shuffles=99)
    assert (found.auc, found.high) == (1.0, 1.0)
    assert 0.6 < found.low < 1.0
    assert found.shuffled.p == 0.01
    assert 0.3 < found.shuffled.value < 0.7
    median, _, share, false = closing
    assert median.held
    assert 0.1 <= median.value <= 0.6
    assert share.value > 0.8
    assert share.sham is not None
    assert share.sham.value <= 0.125
    assert false.value <= 0.05
    assert false.shuffled is not None
    assert false.shuffled.p == 0.001  # an alarm that never went off would have as few with labels shuffled
    assert false.shuffled.value > 0.25


def test_splices_of_one_quarter_are_drawn_together(monkeypatch) -> None:
    drawn: list[list[int]] = []

    def spy(blocks, *given):
        drawn.append([len(block) for block in blocks])
        return bootstrap(blocks, *given)

    monkeypatch.setattr(onset, "bootstrap", spy)
    onset.onset_figures(made_up(40, 0, 1), made_up(40, 20, 2), splices=8)
    assert drawn.count([2, 2, 2, 2]) == 3


def test_where_nothing_changes_nothing_is_found() -> None:
    pair = eyes.Eyes(made_up(40, 10, 1), made_up(40, 10, 2))
    found = eyes.separation(pair, "alpha.occipital", shuffles=99)
    assert found.low < 0.5 < found.high
    assert found.shuffled.p > 0.05
    median = onset.onset_figures(pair.opened, pair.closed, splices=8)[0]
    assert median.value == np.inf
    assert not median.held


def test_a_sham_of_both_recordings_has_alpha_in_both() -> None:
    pair = eyes.Eyes(made_up(40, 0, 1), made_up(40, 20, 2))
    sham = pair.sham(np.random.default_rng(3))
    assert (len(sham.opened), len(sham.closed)) == (len(pair.opened), len(pair.closed))
    spread = [chunk.samples_uv[:, 1].std() for chunk in (sham.opened, sham.closed)]
    assert min(spread) > 0.5 * max(spread)


def test_an_alarm_that_was_on_before_the_splice_finds_nothing() -> None:
    times_s, values = np.array([0.0, 0.05, 0.1]), np.array([1.0, 3.0, 2.0])
    assert onset.Splice(0, 0.5, times_s, values).delay_s(2.0) == 0.05
    assert onset.Splice(0, 2.5, times_s, values).delay_s(2.0) == np.inf
    assert onset.Splice(0, 0.5, times_s, values).delay_s(4.0) == np.inf


def test_a_threshold_is_made_of_the_quarters_it_is_told_alone() -> None:
    from brainmidi.types import FeatureFrame

    def frames(level: float):
        values = level + np.tile([-1.0, 0.0, 1.0], 10)
        return tuple(
            FeatureFrame(at / 20, ("alpha",), np.zeros((1, 1)), np.ones(1), {onset.FEATURE: value}, 1.0)
            for at, value in enumerate(values)
        )

    material = onset.Material(1.0, tuple(frames(level) for level in (0, 0, 0, 50)), (), ())
    assert material.threshold([0, 1, 2], 3.0) == pytest.approx(3.0 * FeatureRest(0.0, 1.0).spread)
    assert material.false(3, material.threshold([0, 1, 2], 3.0)).mean() == 1.0
    assert material.false(0, material.threshold([0, 1, 2], 3.0)).mean() == 0.0


def test_a_table_says_what_is_missed_and_json_has_no_infinity(tmp_path: Path) -> None:
    missed = Figure("eyes", "delay (s)", np.inf, 0.5, np.inf, 0.6, at_most=True, sham=Control(np.inf, 1.0, np.inf, 3))
    told = Figure("eyes", "AUC", 0.95, shuffled=Control(0.5, 0.4, 0.6, 99, 0.01), note="of one head")
    lines = table([missed, told])
    assert lines[1] == "eyes"
    assert " ".join(lines[2].split()) == "delay (s) never 0.500 .. never <= 0.6 NO never (1.000 .. never)"
    assert "0.500 (0.400 .. 0.600) p 0.010" in lines[3]
    assert lines[4].strip() == "of one head"
    write(tmp_path / "figures.json", [missed, told])
    text = (tmp_path / "figures.json").read_text()
    assert '"value": null' in text
    assert "Infinity" not in text


def test_a_bar_that_is_told_for_comparison_may_be_missed() -> None:
    figures = [Figure("eyes", "AUC", 0.5, bar=0.9, asked=asked) for asked in (True, False)]
    assert [figure.missed for figure in figures] == [True, False]
    assert [" ".join(line.split()) for line in table(figures)[2:]] == ["AUC 0.500 >= 0.9 NO", "AUC 0.500 (>= 0.9) (NO)"]


def test_features_that_depend_on_the_chunks_are_seen() -> None:
    chunk = made_up(4, 10, 1)
    hard = eeg.spoilt(made_up(15, 10, 1), 10.0)
    assert np.isnan(hard.samples_uv).any()
    assert len(hard.markers) == 200
    assert eeg.largest_difference(hard, [1, 50]) <= 1e-9
    told = eeg._chunked(hard, [len(hard)], None)
    assert "erp.confidence" in told[-1].values  # so that stimuli are compared too
    assert min(frame.quality for frame in told) < 0.5 < max(frame.quality for frame in told)
    frames = onset.live_frames(chunk)
    assert eeg._apart(frames, frames[1:]) == np.inf
    assert eeg._apart(frames[1:2], frames[2:3]) == np.inf


def test_absent_recordings_are_named_with_where_to_get_them(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BRAINMIDI_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"BRAINMIDI_DATA is not set.*physionet.*zenodo.*muse"):
        eeg.evaluate()
    monkeypatch.setenv("BRAINMIDI_DATA", str(tmp_path))
    with pytest.raises(ConfigError, match="holds no folder eeg"):
        eeg.evaluate()
    (tmp_path / "eeg").mkdir()
    with pytest.raises(SourceError, match=r"S001R01.edf is not there.*physionet.org") as error:
        eeg.evaluate(parts=["eyes"])
    assert isinstance(error.value, BrainmidiError)


@pytest.mark.recording
@needs_recordings
def test_a_real_head_closes_its_eyes_and_no_bar_is_missed() -> None:
    found = eyes.figures(Path(os.environ["BRAINMIDI_DATA"]), splices=20, shams=1, shuffles=99)
    assert [figure.name for figure in found if figure.held is False] == []
    assert sum(figure.held is True for figure in found) == 4
    assert all(0.2 < figure.sham.value < 0.8 for figure in found[:2] if figure.sham)
