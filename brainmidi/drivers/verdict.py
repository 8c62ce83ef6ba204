"""What a calibration found, for its person: in words, as lines for ``session.toml``, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainmidi.controls.merging import DRIFT_Z, drift, needed
from brainmidi.controls.profile import Day, Profile
from brainmidi.controls.separation import FLOOR_AUC, Separation
from brainmidi.drivers.calibration import Calibration, Knob, best_of
from brainmidi.features.spectra import Spectra, background

WORDS = {"open": "eyes open", "closed": "eyes closed", "focus": "focus", "rest": "rest"}

_REGIONS = ("frontal", "central", "temporal", "parietal", "occipital")
_PANELS = 4
_WIDEST_Z = 20.0  # what [map] allows
_SECTIONS = {"erp": "ERP classifier", "asr": "artifacts", "learned": "learned map"}


def lines(calibration: Calibration) -> list[str]:
    """Return what was found, one finding a line, the one that matters most first."""
    profile = calibration.profile
    found = ["a simulated brain, not a person: this shows that the way works"] if profile.simulated else []
    accepted = [knob for knob in calibration.knobs if knob.accepted]
    for knob in accepted:
        what = "your best knob:" if knob is accepted[0] else "another knob:  "
        found.append(f"{what} {_separates(knob)}")
    for knob in calibration.knobs:
        if not knob.accepted:
            pair = _pair(knob.separation.contrast)
            found.append(f"no knob between {pair}: at best {_separates(knob)}; {FLOOR_AUC:g} is needed")
    if not calibration.knobs:
        named = ", ".join(profile.phases)
        found.append(
            f"no knob was looked for: {named} alone is rest to measure against; record eyes open and closed too"
        )
    if calibration.learned:
        learned = profile.learned
        if learned is None:
            found.append(f"learned map:     refused: {calibration.learned}")
        else:
            leans = ", ".join(f"{name} {moved:+.2f}" for name, moved in learned.strongest())
            found.append(f"learned map:     {calibration.learned}; it leans on (knob per z) {leans}")
    if calibration.erp:
        found.append(f"ERP:             {calibration.erp}")
    clean = ", ".join(f"{WORDS[phase]} {seconds:.0f} s" for phase, seconds in profile.phases.items())
    found.append(f"clean signal:    {clean}")
    found.append(f"electrodes:      {_electrodes(calibration)}")
    mains = "no hum" if profile.line_hz is None else f"{profile.line_hz:g} Hz"
    alpha = "none found" if profile.alpha_hz is None else f"{profile.alpha_hz:.1f} Hz"
    found.append(f"mains, alpha:    {mains}; individual alpha frequency {alpha}")
    if calibration.knobs and not calibration.alternating:
        found.append(
            "a caution:       some phase came fewer than four times, so that slow drift can look like separation; "
            "take turns"
        )
    return found


def suggestion(calibration: Calibration) -> list[str]:
    """Return the lines of ``session.toml`` that suit this person; none where no knob was found.

    Eyes closed turns ``latent_mix`` and ``tempo`` down, the focus task turns ``temperature`` and ``density`` up. A knob
    is nearly at its end where the phase's median lies.
    """
    text = []
    for knob in calibration.knobs:
        if not knob.accepted:
            continue
        calm = knob.separation.contrast[1] == "closed"
        for name in ("latent_mix", "tempo") if calm else ("temperature", "density"):
            if name == "latent_mix" and calibration.profile.learned is not None:
                continue
            text += [f"[map.{name}]", *_rule(calibration, knob, calm)]
    if calibration.profile.learned is not None:
        text = ["[map.latent_mix]", 'feature = "learned"', *text]
    return text


def merged_lines(profile: Profile, parts: Sequence[Profile]) -> list[str]:
    """Return what a profile merged of `parts` holds, and how far its days lie apart."""
    found = [f"{len(profile.days)} days: {', '.join(day.created for day in profile.days)}"]
    for pair in dict.fromkeys(one.contrast for one in profile.separation):
        best = best_of([one for one in profile.separation if one.contrast == pair])
        found.append(
            f"best knob:       {best.feature} separates {_pair(pair)} at AUC {best.auc:.2f} "
            f"({best.low:.2f}-{best.high:.2f}) over all days"
        )
    ordered = sorted(parts, key=lambda part: part.created)
    for name, what in _SECTIONS.items():
        holders = [part for part in ordered if name in part.sections]
        if not holders:
            continue
        whose = [part for part in holders if part.sections[name] == profile.sections.get(name)]
        if whose:
            found.append(f"{what + ':':<17}of {whose[-1].created}")
        if not whose or whose[-1] is not holders[-1]:
            lost = [name for name in needed(holders[-1].sections[name]) if name in profile.bad]
            found.append(f"{'left out:':<17}{what} of {holders[-1].created}, {', '.join(lost)} being bad now")
    return found + drift_lines(profile.days, profile.montage.names)


def drift_lines(days: Sequence[Day], electrodes: Sequence[str]) -> list[str]:
    """Return how far features have moved since the first day, in its spreads; a warning where that is too far.

    Features of single electrodes are left out: they move with every new fit of the headset.
    """
    whole = {name: places for name, places in drift(days).items() if name.rpartition(".")[2] not in electrodes}
    shown = [
        f"drift:           {name} {', '.join(f'{place:+.1f}' for place in places)} z by day"
        for name, places in list(whole.items())[:5]
    ]
    far = [name for name, places in whole.items() if max(map(abs, places)) > DRIFT_Z]
    if far:
        also = f" and {len(far) - 3} more" if len(far) > 3 else ""
        shown.append(
            f"warning:         {', '.join(far[:3])}{also} moved by more than {DRIFT_Z:g} z between days: knobs on "
            "them stand off the middle; calibrate on the day, or give --baseline SECONDS in place of the profile"
        )
    return shown


def plot(calibration: Calibration, path: Path) -> None:
    """Draw the spectra of every phase and region, and how well each feature separates."""
    from brainmidi.notation.report import Curve, Forest, Panel, draw_report

    profile, spectra = calibration.profile, calibration.spectra
    panels, methods = [], set()
    for region in _regions(spectra):
        curves = []
        for phase in WORDS:
            spectrum_db = spectra.region_db(phase, region) if phase in spectra.density else None
            if spectrum_db is None:
                continue
            below = background(spectra.frequency_hz, spectrum_db)
            methods.add(below.method)
            curves.append(Curve(phase, spectrum_db, below.line_db, below.peak_hz))
        if curves:
            panels.append(Panel(region, spectra.frequency_hz, tuple(curves)))
    forests = []
    for knob in calibration.knobs[:2]:
        rows = [one for one in profile.separation if one.contrast == knob.separation.contrast]
        forests.append(
            Forest(
                knob.separation.contrast,
                tuple((one.feature, one.auc, one.low, one.high) for one in rows),
                knob.separation.feature,
                FLOOR_AUC,
            )
        )
    recordings = profile.source.split(", ")
    more = f" and {len(recordings) - 2} more" if len(recordings) > 2 else ""
    who = "the simulated brain" if profile.simulated else ", ".join(recordings[:2]) + more
    alpha = "no alpha peak" if profile.alpha_hz is None else f"individual alpha frequency {profile.alpha_hz:.1f} Hz"
    clean = ", ".join(f"{WORDS[phase]} {seconds:.0f} s" for phase, seconds in profile.phases.items())
    draw_report(
        path,
        title=f"Calibration of {who}, {profile.created[:10]}",
        subtitle=f"{lines(calibration)[profile.simulated]}\nclean signal: {clean}; {alpha}",
        footer=(
            f"Mean spectra of {len(profile.montage.names)} electrodes (2 s Hann windows); 1/f background and alpha "
            f"peak by {' and '.join(sorted(methods)) or 'none'}. AUC of {profile.signal.get('window_s', 2.0):g} s "
            "windows, interval from 4 s blocks; large dot: the knob that was chosen."
        ),
        panels=panels,
        forests=forests,
        quality=calibration.quality,
        bad=profile.bad,
    )


def _regions(spectra: Spectra) -> list[str]:
    """Return the regions that are drawn: those with electrodes, the front and the back first where there are many."""
    phases = list(spectra.density)
    there = [region for region in _REGIONS if any(spectra.region_db(phase, region) is not None for phase in phases)]
    if not there:
        return ["posterior"]
    return there if len(there) <= _PANELS else [region for region in there if region != "temporal"]


def _rule(calibration: Calibration, knob: Knob, calm: bool) -> list[str]:
    """Return the lines of a knob: nearly at its end where the phase's median lies.

    Its other end lies where that of the phase on the other side does, or else where rest itself seldom goes.
    """
    one = knob.separation
    z = calibration.places.get((one.feature, one.contrast[1]), 0.0)
    end = float(np.clip(abs(z), 1.0, _WIDEST_Z))
    other_phase = "focus" if calm else "closed"
    beyond = calibration.places.get((one.feature, other_phase), 0.0)
    if not (beyond * z < 0 and abs(beyond) >= 1.0):
        beyond = _seldom(calibration, one)
    other = float(np.clip(abs(beyond), 1.0, _WIDEST_Z))
    low, high = (other, end) if one.rises else (end, other)
    return [
        f'feature = "{one.feature}"',
        f"invert = {'true' if one.rises == calm else 'false'}",
        f"low = {-low:.1f}",
        f"high = {high:.1f}",
    ]


def _seldom(calibration: Calibration, one: Separation) -> float:
    """Return the robust z that rest goes beyond in one frame of twenty, on the side away from the phase."""
    rest, day = calibration.profile.baseline.features.get(one.feature), calibration.profile.days[-1]
    quantiles = sorted(day.quantiles.get(one.feature, ()))
    if rest is None or not quantiles:
        return 0.0
    return rest.z(float(np.quantile(quantiles, 0.05 if one.rises else 0.95)))


def _separates(knob: Knob) -> str:
    one = knob.separation
    return (
        f"{one.feature} separates {_pair(one.contrast)} at AUC {one.auc:.2f} ({one.low:.2f}-{one.high:.2f}), "
        f"p {knob.chance:.3f}; {knob.held_out:.2f} where other windows chose the feature"
    )


def _pair(contrast: tuple[str, str]) -> str:
    first, second = contrast
    return "eyes open and closed" if (first, second) == ("open", "closed") else f"{WORDS[first]} and {WORDS[second]}"


def _electrodes(calibration: Calibration) -> str:
    names, bad = calibration.profile.montage.names, calibration.profile.bad
    if not bad:
        return f"all {len(names)} good"
    shares = ", ".join(f"{name} ({100 * calibration.quality[name]:.0f} % good)" for name in bad)
    return f"{len(names) - len(bad)} of {len(names)} good; left out: {shares}"
