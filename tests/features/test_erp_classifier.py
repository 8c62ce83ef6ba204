from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from eeg_files import split
from erp_trials import epochs, oddball, trials
from sklearn.covariance import oas as sklearn_oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from brainmidi.errors import SignalError
from brainmidi.features.erpchoice import GRID, auc_and_error, choose, cross_validate, simplest_of_the_best
from brainmidi.features.erpclassifier import ErpClassifier, ErpScorer, oas, trial_of
from brainmidi.features.erpestimator import Discriminant, fit_estimator
from brainmidi.features.erpfit import fit_classifier
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import ErpSettings, FeatureSettings
from brainmidi.types import Montage


@pytest.fixture(scope="module")
def fitted():
    return fit_classifier(trials(oddball(5.0)))


def test_live_scores_are_those_of_the_estimator():
    chunk = oddball(9.0)
    taken, everything = trials(chunk), np.arange(150)
    classifier, estimator = fit_classifier(taken), fit_estimator(taken, everything, choose(taken, everything))
    layout = (26, estimator.columns, 102, taken.step, estimator.rereferenced)
    live = [classifier.score(trial_of(epoch, *layout)) for epoch in epochs(chunk, classifier.low_pass_hz)]
    assert live == pytest.approx(estimator.scores(taken, everything), abs=1e-9)


def test_covariances_are_shrunk_as_scikit_learn_does():
    signals = np.random.default_rng(0).standard_normal((3, 6, 20))
    assert oas(signals) == pytest.approx(np.stack([sklearn_oas(one.T)[0] for one in signals]), abs=1e-12)
    assert oas(signals[0]) == pytest.approx(oas(signals)[0], abs=1e-15)
    assert oas(np.zeros((2, 5))) == pytest.approx(np.zeros((2, 2)))


@pytest.mark.parametrize("n_rows", [40, 400])
def test_the_discriminant_is_that_of_scikit_learn(n_rows):
    rng = np.random.default_rng(0)
    rows, target = rng.standard_normal((n_rows, 36)) @ rng.standard_normal((36, 36)), np.arange(n_rows) % 5 == 0
    rows[target] += 0.3
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(rows, target)
    ours = Discriminant().fit(rows, target.astype(int))
    assert ours.decision_function(rows) == pytest.approx(theirs.decision_function(rows), abs=1e-8)


def test_a_response_is_told_from_none_in_stretches_that_were_not_trained_on(fitted):
    assert fitted.auc > 0.85
    assert 0.5 < fitted.auc_low < fitted.auc < fitted.auc_high <= 1.0
    assert fitted.refusal is None
    assert (fitted.n_target, fitted.n_nontarget, fitted.n_rejected) == (30, 120, 0)


def test_without_a_response_the_classifier_is_refused_with_its_reason():
    classifier = fit_classifier(trials(oddball(0.0)))
    assert "below 0.65" in classifier.refusal
    scorer = ErpScorer(classifier, Montage(classifier.channels, 128.0), ErpSettings(score_n=1), 26)
    assert scorer.add(epochs(oddball(0.0), classifier.low_pass_hz)[2]) is not None
    assert scorer.belief(3.0) is None
    assert "may be chance" in replace(classifier, auc=0.7, auc_low=0.49).refusal


def test_no_epoch_is_scored_by_a_classifier_that_saw_its_neighbours():
    taken = trials(oddball(9.0))
    scores, fold, choices = cross_validate(taken)
    assert list(np.flatnonzero(np.diff(fold))) == [29, 59, 89, 119]
    # Whatever an epoch is: neither the choice nor the fit for its own fold sees it.
    cuts = {low_pass_hz: replace(cut, trial_uv=cut.trial_uv.copy()) for low_pass_hz, cut in taken.cuts.items()}
    for cut in cuts.values():
        cut.trial_uv[10] *= 100.0
    target = taken.target.copy()
    target[:30] = np.random.default_rng(0).permutation(target[:30])
    again = cross_validate(replace(taken, cuts=cuts, target=target))
    same = fold == 0
    same[10] = False
    assert again.choices[0] == choices[0]
    assert again.scores[same] == pytest.approx(scores[same], abs=1e-12)
    assert not np.allclose(again.scores[fold != 0], scores[fold != 0])


def test_settings_are_chosen_by_the_chosen_epochs_alone():
    taken = trials(oddball(7.0, seed=3))
    half = np.arange(75)
    choice = choose(taken, half)
    mixed = taken.relabelled(np.concatenate([taken.target[:75], ~taken.target[75:]]))
    assert choose(mixed, half) == choice
    assert choice in GRID


def test_a_response_above_the_low_corners_has_the_higher_one_chosen():
    chunk = oddball(0.0, 200)
    samples = chunk.samples_uv.copy()
    for marker in chunk.markers[2::5]:
        since_s = chunk.time_s - marker.time_s - 0.3
        samples[:, 2] += 12.0 * np.exp(-0.5 * (since_s / 0.06) ** 2) * np.sin(2 * np.pi * 19.0 * since_s)
    assert choose(trials(replace(chunk, samples_uv=samples)), np.arange(200)).low_pass_hz == 20.0


def test_the_simplest_within_a_standard_error_of_the_best_is_taken():
    rng, target = np.random.default_rng(0), np.arange(300) % 5 == 0
    good, noise = target + rng.normal(0, 0.8, 300), rng.normal(0, 1, 300)
    alike = [good + np.random.default_rng(seed).normal(0, 0.5, 300) for seed in (1, 2)]
    # A shade behind the best is taken, what is no better than chance is not, nor what is surely behind.
    auc, _ = auc_and_error(np.stack(alike), target)
    behind, ahead = np.argsort(auc)
    assert simplest_of_the_best(np.stack([noise, alike[behind], alike[ahead]]), target) == 1
    assert simplest_of_the_best(np.stack([alike[behind], good + target]), target) == 1
    assert simplest_of_the_best(np.stack([good, good]), target) == 0
    assert simplest_of_the_best(np.stack([np.full(300, np.nan), noise, good]), target) == 2
    assert simplest_of_the_best(np.stack([noise, good]), np.zeros(300, dtype=bool)) == 0


def test_the_error_of_a_difference_is_that_of_resampled_epochs():
    def area(high, low):
        return np.mean(high[:, None] > low)

    rng, target = np.random.default_rng(1), np.arange(400) % 4 == 0
    one = target + rng.normal(0, 1, 400)
    other = one + rng.normal(0, 0.7, 400)
    high, low = np.flatnonzero(target), np.flatnonzero(~target)
    apart = []
    for _ in range(300):
        highs, lows = rng.choice(high, len(high)), rng.choice(low, len(low))
        apart.append(area(one[highs], one[lows]) - area(other[highs], other[lows]))
    auc, error = auc_and_error(np.stack([other, one]), target)
    assert auc == pytest.approx([area(other[high], other[low]), area(one[high], one[low])])
    assert error[0] == pytest.approx(np.std(apart), rel=0.15)
    assert error[1] == 0.0


def test_a_document_survives_json_and_scores_the_same(fitted):
    again = ErpClassifier.from_document(json.loads(json.dumps(fitted.document())))
    trial = np.random.default_rng(0).standard_normal((again.filters.shape[1], again.prototypes.shape[1]))
    assert again.score(trial) == fitted.score(trial)
    assert again.document() == fitted.document()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "something"}, "'something' version 1"),
        ({"version": 2}, "version 2"),
        ({"filters": [[1.0]]}, "do not fit"),
        ({"bias": float("nan")}, "not finite"),
        ({"step": 7}, "do not fit"),
        ({"step": 0}, "are none"),
        ({"spread": 1e-300}, "too small"),
        ({"length_s": 0.0, "prototypes": [[]] * 4}, "are none"),
    ],
)
def test_a_damaged_document_is_refused_in_one_line(fitted, change, reason):
    with pytest.raises(SignalError, match=reason):
        ErpClassifier.from_document(fitted.document() | change)
    document = fitted.document()
    del document["weights"]
    with pytest.raises(SignalError, match=r"damaged .*weights"):
        ErpClassifier.from_document(document)


def test_a_noisy_channel_is_left_out_and_costs_no_epoch():
    chunk = oddball(9.0)
    samples, good = chunk.samples_uv.copy(), np.ones(chunk.samples_uv.shape, dtype=bool)
    samples[:, 3] *= 200.0
    good[::50, 0] = False
    taken = trials(replace(chunk, samples_uv=samples, good=good))
    classifier = fit_classifier(taken)
    assert classifier.channels == ("P3", "Pz")
    assert classifier.n_rejected == 0


def test_where_all_channels_are_alike_the_one_that_answers_is_no_outlier():
    chunk = oddball(0.0)
    samples, markers = chunk.samples_uv.copy(), chunk.markers
    for marker in markers[2::5]:
        samples[:, 2] += 25.0 * np.exp(-0.5 * ((chunk.time_s - marker.time_s - 0.35) / 0.05) ** 2)
    classifier = fit_classifier(trials(replace(chunk, samples_uv=samples)))
    assert classifier.channels == ("Cz", "P3", "Pz", "P4")
    assert classifier.auc > 0.95


def test_epochs_with_a_bad_channel_are_not_scored(fitted):
    chunk = oddball(9.0)
    scorer = ErpScorer(fitted, chunk.montage, ErpSettings(), 26)
    good = np.ones(chunk.samples_uv.shape, dtype=bool)
    good[250:, 1] = False
    first, second, *_ = epochs(replace(chunk, good=good), fitted.low_pass_hz)
    assert scorer.add(first) is not None
    assert scorer.add(second) is None


def test_the_belief_in_the_last_targets_is_a_feature_of_the_stream_whatever_the_chunking(fitted):
    def stream(chunk, cuts):
        settings = FeatureSettings(erp=ErpSettings(score_n=3))
        extractor = FeatureExtractor(chunk.montage, settings, fitted)
        frames = [frame for part in split(chunk, cuts) for frame in extractor.process(part)]
        return extractor.epochs, frames

    answered, silent = oddball(9.0, 40, seed=5), oddball(0.0, 40, seed=6)
    scored, frames = stream(answered, [])
    beliefs = [frame.values["erp.target"] for frame in frames if "erp.target" in frame.values]
    # The third target is trial 12, heard at 8.203 s; its epoch is whole 0.8 s later.
    assert next(frame.time_s for frame in frames if "erp.target" in frame.values) == pytest.approx(9.0, abs=0.06)
    assert np.median(beliefs) > 0.95
    again, parts = stream(answered, range(7, len(answered), 61))
    assert [frame.values for frame in parts] == [frame.values for frame in frames]
    assert again == scored
    assert len(scored) == 40
    assert np.median([one.score for one in scored if one.label == "target"]) > 0
    without = [frame.values["erp.target"] for frame in stream(silent, [])[1] if "erp.target" in frame.values]
    assert np.median(without) < 0.2


def test_a_belief_grows_old_where_targets_stop_and_begins_anew_with_them(fitted):
    """Targets come every 3 s; the last is heard at 22.2 s."""
    chunk = oddball(9.0, 80, seed=5)
    markers = tuple(marker for marker in chunk.markers if not 23.0 < marker.time_s < 40.0)
    pause = replace(chunk, markers=markers)
    settings = FeatureSettings(erp=ErpSettings(score_n=3))

    def seen(cuts):
        extractor = FeatureExtractor(chunk.montage, settings, fitted)
        return [frame for part in split(pause, cuts) for frame in extractor.process(part)]

    frames = seen([])
    known = np.array([frame.time_s for frame in frames if "erp.target" in frame.values])
    last_s = max(marker.time_s for marker in markers if marker.label == "target" and marker.time_s < 23.0)
    assert known[known < 35.0].max() == pytest.approx(last_s + 10.0, abs=0.051)
    third_s = [marker.time_s for marker in markers if marker.label == "target" and marker.time_s > 40.0][2]
    assert known[known > 35.0].min() == pytest.approx(third_s + 0.8, abs=0.06)
    assert [frame.values for frame in seen(range(11, len(chunk), 97))] == [frame.values for frame in frames]


def test_a_classifier_of_another_montage_rate_or_epoch_is_refused(fitted):
    settings = ErpSettings()
    for montage, reason in (
        (Montage(("Cz", "P3", "Pz"), 128.0), "P4, which the source lacks"),
        (Montage(("P4", "Cz", "P3", "Pz"), 250.0), "fitted at 128 Hz, the source has 250 Hz"),
    ):
        with pytest.raises(SignalError, match=reason):
            ErpScorer(fitted, montage, settings, 26)
    with pytest.raises(SignalError, match=r"ends at 0.6 s"):
        ErpScorer(fitted, Montage(fitted.channels, 128.0), ErpSettings(epoch_s=(-0.2, 0.6)), 26)


def test_a_classifier_of_another_latency_is_refused():
    chunk = oddball(5.0)
    late = ErpSettings(latency_s=0.05)
    taken = trials(
        replace(chunk, markers=tuple(replace(m, time_s=m.time_s + 0.05) for m in chunk.markers)), settings=late
    )
    classifier = ErpClassifier.from_document(fit_classifier(taken).document())
    ErpScorer(classifier, chunk.montage, late, 26)
    with pytest.raises(SignalError, match=r"fitted with \[erp\] latency_s = 0.05, now it is 0; calibrate again"):
        ErpScorer(classifier, chunk.montage, ErpSettings(), 26)


def test_a_document_without_a_latency_is_of_none(fitted):
    document = fitted.document()
    del document["latency_s"]
    assert ErpClassifier.from_document(document).latency_s == 0.0


def test_too_few_epochs_are_refused_with_their_number():
    with pytest.raises(SignalError, match="4 targets and 16 non-targets were found, 10 of"):
        trials(oddball(9.0, 20))
    with pytest.raises(SignalError, match=r"epoch_s ends at 0.5 s"):
        trials(oddball(9.0), settings=ErpSettings(epoch_s=(-0.2, 0.5)))


def test_many_channels_are_referred_to_their_own_mean():
    names = tuple(f"E{number}" for number in range(16))
    chunk = oddball(14.0, 100, names=names)
    hum = 20.0 * np.sin(2 * np.pi * 3.0 * chunk.time_s)[:, None]
    plain = fit_classifier(trials(chunk))
    shared = fit_classifier(trials(replace(chunk, samples_uv=chunk.samples_uv + hum)))
    assert plain.rereferenced
    assert plain.filters.shape[1] == 15
    assert shared.auc == pytest.approx(plain.auc, abs=1e-6)
