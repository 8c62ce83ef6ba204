"""From raw recordings of labelled phases to a profile: bad electrodes, rest, what separates, and what may steer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brainmidi.condition.asr import fit_asr
from brainmidi.config import SessionConfig
from brainmidi.controls.baseline import UNRESTING, Baseline, fit_baseline
from brainmidi.controls.labelled import NEUTRAL, PLACES, Labelled, contrasts, gather
from brainmidi.controls.learned import Verdict, fit_learned
from brainmidi.controls.mapping import KnobRule
from brainmidi.controls.merging import day_of
from brainmidi.controls.profile import Profile
from brainmidi.controls.separation import FLOOR_AUC, Separation, by_turns, chance, held_out, separate
from brainmidi.drivers import assemble
from brainmidi.drivers.hearing import at_rest, hear, need_clean
from brainmidi.drivers.phases import Recording
from brainmidi.errors import ControlError, SignalError
from brainmidi.features.settings import feature_names
from brainmidi.features.spectra import Spectra, background, phase_spectra
from brainmidi.types import Chunk, Montage

_CHANCE = 0.03  # the least that four turns or blocks of either phase can show is 0.029
_TIE = 0.01  # AUCs closer than this are one, and the feature that is known better is taken
#: By the phase that is not neutral: so that closed eyes and counting do not turn all knobs together.
_PREFERRED = {
    "closed": ("alpha.posterior", "alpha.occipital", "alpha.peak", "alpha"),
    "focus": ("engagement", "beta.frontal", "beta", "theta.frontal"),
}


@dataclass(frozen=True, slots=True)
class Knob:
    """The feature that tells a pair of phases apart best.

    Parameters
    ----------
    separation : Separation
    held_out : float
        AUC where the choice of the feature was left to other windows.
    chance : float
        The p-value of so good a feature among all of them.
    """

    separation: Separation
    held_out: float
    chance: float

    @property
    def accepted(self) -> bool:
        """Whether a knob can follow it."""
        strong = self.separation.auc >= FLOOR_AUC and self.held_out >= FLOOR_AUC
        return strong and self.separation.low > 0.5 and self.chance <= _CHANCE


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came of a calibration.

    Parameters
    ----------
    profile : Profile
    spectra : Spectra
    knobs : tuple of Knob
        One for each pair of phases; the accepted ones first.
    learned, erp : str
        What came of the learned map and of the ERP classifier, in words; empty where there was nothing to fit.
    quality : mapping of str to float
        Each electrode's share of good samples.
    places : mapping of (str, str) to float
        Median robust z of a feature in a phase.
    alternating : bool
        Whether every phase that is compared came often enough for its turns to be drawn by lot.
    """

    profile: Profile
    spectra: Spectra
    knobs: tuple[Knob, ...]
    learned: str
    erp: str
    quality: Mapping[str, float]
    places: Mapping[tuple[str, str], float]
    alternating: bool


def calibrate(config: SessionConfig, recordings: Sequence[Recording], created: str) -> Calibration:
    """Return what `recordings` say about a person.

    Parameters
    ----------
    config : SessionConfig
        Its ``[signal]``, ``[erp]`` and ``[map]``.
    recordings : sequence of Recording
        Of one montage.
    created : str
        Date and time, for the profile.

    Raises
    ------
    ControlError
        There is too little clean signal, too few good electrodes, or nothing separates the phases: why, in one line.
    """
    montage = recordings[0].chunk.montage
    for other in recordings[1:]:
        if other.chunk.montage != montage:
            raise ControlError(
                f"{other.name} has {len(other.chunk.montage.names)} electrodes at {other.chunk.montage.rate_hz:g} Hz, "
                f"{recordings[0].name} {len(montage.names)} at {montage.rate_hz:g} Hz; calibrate from one set-up"
            )
    heard = hear(config, recordings, ())
    bad = tuple(name for name, share in heard.quality.items() if share < config.signal.min_good)
    if 2 * len(bad) > len(montage.names) or len(bad) == len(montage.names):
        shares = ", ".join(f"{name} {100 * heard.quality[name]:.0f} %" for name in bad[:6])
        raise ControlError(
            f"{len(bad)} of {len(montage.names)} electrodes are bad ({shares} of the time good), at most half may be; "
            "wet them, press them on, and record again"
        )
    quality = heard.quality
    if bad:
        heard = hear(config, recordings, bad)
    asr = None
    if config.signal.asr:
        asr = fit_asr(at_rest(heard.chunks, recordings), cutoff=config.signal.asr_cutoff)
        heard = hear(config, recordings, bad, asr)
    seconds = {phase: len(run) / assemble.feature_settings(config).update_hz for phase, run in heard.frames.items()}
    need_clean(seconds, bad)
    rest = [frame for phase in NEUTRAL for frame in heard.frames.get(phase, ())]
    if not rest:
        raise ControlError(
            f"{', '.join(heard.frames)} alone has no rest that knobs could be measured against, open or rest is "
            "needed; record one of them too and name it with --events"
        )
    source = ", ".join(dict.fromkeys(recording.name for recording in recordings))
    baseline = fit_baseline(rest, source=source, created_by="brainmidi calibrate")
    spectra = phase_spectra(heard.chunks, [[(s.phase, s.start_s, s.stop_s) for s in one.spans] for one in recordings])
    profile = Profile(
        created=created,
        source=source,
        simulated=any(recording.simulated for recording in recordings),
        montage=montage,
        signal=config.signal.model_dump(mode="json"),
        phases=seconds,
        baseline=baseline,
        days=(day_of(rest, tuple(baseline.features), created, source),),
        bad=bad,
        line_hz=heard.line_hz,
        alpha_hz=_alpha_hz(spectra),
    )
    erp_section, erp = _fit_erp(config, heard.chunks, montage, bad)
    sections = {} if erp_section is None else {"erp": erp_section}
    if asr is not None:
        sections["asr"] = asr.document()
    pairs = contrasts(heard.frames)
    knobs: tuple[Knob, ...] = ()
    verdict = Verdict(None, "")
    places: dict[tuple[str, str], float] = {}
    if pairs:
        table = gather(heard.frames, _compared(config))
        knobs, separation = _find_knobs(table, pairs, config.signal.window_s)
        rule = config.map.latent_mix
        verdict = fit_learned(
            table, baseline, KnobRule(rule.feature, rule.invert, rule.low, rule.high), config.signal.window_s
        )
        if verdict.map is not None:
            sections["learned"] = verdict.map.document()
        if not any(knob.accepted for knob in knobs) and verdict.map is None:
            raise ControlError(_nothing_separates(knobs, bad))
        profile = replace(
            profile,
            separation=separation,
            held_out={"/".join(knob.separation.contrast): knob.held_out for knob in knobs},
        )
        places = _places(table, baseline)
    return Calibration(
        replace(profile, sections=sections),
        spectra,
        knobs,
        verdict.reason,
        erp,
        quality,
        places,
        all(by_turns(table, pair) for pair in pairs) if pairs else True,
    )


def _find_knobs(
    table: Labelled, pairs: Sequence[tuple[str, str]], window_s: float
) -> tuple[tuple[Knob, ...], tuple[Separation, ...]]:
    """Return the best feature of every pair, the accepted ones first, and how every feature separates every pair."""
    knobs: list[Knob] = []
    everything: list[Separation] = []
    for pair in pairs:
        found = separate(table, pair)
        everything += found
        knobs.append(Knob(best_of(found), held_out(table, pair, window_s), chance(table, pair)))
    return tuple(sorted(knobs, key=lambda knob: (not knob.accepted, -round(knob.separation.auc, 2)))), tuple(everything)


def best_of(found: Sequence[Separation]) -> Separation:
    """Return the feature that separates one pair of phases best; of equals the one that is known best."""
    highest = max(found, key=lambda one: one.auc)
    equal = {one.feature: one for one in found if one.auc >= highest.auc - _TIE}
    return next((equal[name] for name in _PREFERRED.get(highest.contrast[1], ()) if name in equal), highest)


def _nothing_separates(knobs: Sequence[Knob], bad: Sequence[str]) -> str:
    found = "; ".join(
        f"{knob.separation.contrast[0]} and {knob.separation.contrast[1]}: at best {knob.separation.feature} with AUC "
        f"{knob.separation.auc:.2f} ({knob.held_out:.2f} where other windows chose it, p {knob.chance:.3f})"
        for knob in knobs
    )
    also = f"; bad electrodes: {', '.join(bad)}" if bad else ""
    closed = any("closed" in knob.separation.contrast for knob in knobs)
    also_do = "close your eyes oftener" if closed else "change between the phases oftener"
    return (
        f"no feature separates the phases, AUC {FLOOR_AUC:g} with p {_CHANCE:g} is needed ({found}){also}; "
        f"check --events and the posterior electrodes, {also_do}, and record again"
    )


def _compared(config: SessionConfig) -> tuple[str, ...]:
    """Return the features of regions and of the whole head: one electrode that falls off must not take a knob along."""
    names = feature_names(assemble.feature_settings(config))
    same = "alpha.peak.posterior"  # as alpha.peak
    return tuple(name for name in names if not name.startswith(UNRESTING) and name != same)


def _places(table: Labelled, baseline: Baseline) -> dict[tuple[str, str], float]:
    return {
        (feature, phase): baseline.features[feature].z(float(np.median(table.column(feature)[table.phases == phase])))
        for feature in table.features
        if feature in baseline.features
        for phase in table.named
    }


def _alpha_hz(spectra: Spectra) -> float | None:
    """Return the individual alpha frequency: of the posterior spectrum of the calmest phase that has a peak."""
    for phase in sorted(spectra.density, key=lambda name: PLACES[name]):
        spectrum_db = spectra.region_db(phase, "posterior")
        if spectrum_db is not None and (peak_hz := background(spectra.frequency_hz, spectrum_db).peak_hz) is not None:
            return round(peak_hz, 2)
    return None


def _fit_erp(
    config: SessionConfig, chunks: Sequence[Chunk], montage: Montage, bad: tuple[str, ...]
) -> tuple[dict[str, Any] | None, str]:
    """Return the classifier's section and what came of it in words; neither where no stimulus was marked."""
    settings = assemble.feature_settings(config).erp
    labels = [marker.label for chunk in chunks for marker in chunk.markers]
    if not any(label in settings.target for label in labels):
        return None, ""
    from brainmidi.features.erpfit import fit_classifier
    from brainmidi.features.erptrials import trials_of

    try:
        classifier = fit_classifier(trials_of(chunks, montage, settings))
    except SignalError as error:
        return None, f"no classifier: {error}"
    figures = (
        f"single trials at AUC {classifier.auc:.2f} ({classifier.auc_low:.2f}-{classifier.auc_high:.2f}) in blocked "
        f"cross-validation, {classifier.n_target} targets and {classifier.n_nontarget} non-targets"
    )
    if classifier.refusal is not None:
        return None, f"no classifier: {classifier.refusal} ({figures})"
    return classifier.document(), figures
