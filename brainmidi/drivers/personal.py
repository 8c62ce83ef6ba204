"""A profile at work: whether it fits, and what it changes in the rooms' settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from brainmidi.condition.asr import AsrState
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.config import SessionConfig
from brainmidi.controls.baseline import Baseline
from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.mapping import LEARNED
from brainmidi.controls.profile import Profile
from brainmidi.controls.profileread import is_profile, load_profile
from brainmidi.errors import ConfigError, ControlError, SignalError
from brainmidi.features.erpclassifier import ErpClassifier
from brainmidi.types import Montage


def read_profile(path: Path, config: SessionConfig, montage: Montage) -> tuple[Baseline, Profile | None, str]:
    """Return the baseline in `path`, the profile that it is a part of (None for a plain baseline), and both in words.

    Raises
    ------
    ControlError
        The file cannot be read, or is damaged.
    ConfigError
        The profile is of another montage, or was made with other ``[signal]`` settings.
    """
    if not is_profile(path):
        return Baseline.load(path), None, f"profile {path}"
    profile = load_profile(path)
    check_fit(profile, str(path), config, montage)
    try:  # damage is told with the file's name, and before the music
        classifier_for(profile)
        conditioned_for(ConditionSettings(), profile)
    except SignalError as error:
        raise ControlError(f"profile {path}: {error}") from error
    person = "the simulated brain" if profile.simulated else profile.source
    days = f", {len(profile.days)} days" if len(profile.days) > 1 else ""
    return profile.baseline, profile, f"profile {path} of {person}, calibrated {profile.created}{days}"


def check_fit(profile: Profile, name: str, config: SessionConfig, montage: Montage) -> None:
    """Raise ConfigError where `profile` was made of other electrodes, or with other ``[signal]`` settings."""
    made = profile.montage
    if made != montage:
        lacking = ", ".join(sorted(set(made.names) ^ set(montage.names))[:6])
        what = f"{lacking} on one side only" if lacking else "in another order or at another rate"
        raise ConfigError(
            f"profile {name} was made of {len(made.names)} electrodes at {made.rate_hz:g} Hz, the source has "
            f"{len(montage.names)} at {montage.rate_hz:g} Hz ({what}); run brainmidi calibrate with this source"
        )
    now = config.signal.model_dump(mode="json")
    usual = SessionConfig().signal.model_dump(mode="json")  # what a setting was before it had a name
    for key in sorted({**now, **profile.signal}):
        then = profile.signal.get(key, usual.get(key))
        if then != now.get(key):
            made_with, asked = json.dumps(then), json.dumps(now.get(key))
            raise ConfigError(
                f"profile {name} was made with [signal] {key} = {made_with}, now it is {asked}; calibrate again, or "
                "set it back in session.toml"
            )


def conditioned_for(condition: ConditionSettings, profile: Profile | None) -> ConditionSettings:
    """Return `condition` without the profile's bad electrodes, and with its mains frequency where none was set.

    The profile's artifact subspace reconstruction, where it has one, comes along.
    """
    if profile is None:
        return condition
    line = profile.line_hz if condition.line == "auto" and profile.line_hz is not None else condition.line
    section = profile.sections.get("asr")
    asr = condition.asr if section is None else AsrState.from_document(section)
    return replace(condition, bad=profile.bad, line=line, asr=asr)


def classifier_for(profile: Profile | None) -> ErpClassifier | None:
    """Return the profile's ERP classifier, where it has one.

    Raises
    ------
    SignalError
        It is damaged.
    """
    section = None if profile is None else profile.sections.get("erp")
    return None if section is None else ErpClassifier.from_document(section)


def learned_for(config: SessionConfig, profile: Profile | None) -> LearnedMap | None:
    """Return the profile's learned map, where a knob asks for it.

    Raises
    ------
    ConfigError
        A knob asks for one and there is none.
    """
    asking = [name for name, table in config.map.knobs().items() if table.feature == LEARNED]
    if not asking:
        return None
    if profile is None or profile.learned is None:
        lacks = "no profile is named" if profile is None else "the profile holds none (its calibration says why)"
        raise ConfigError(
            f'{config.file}: [map.{asking[0]}] feature = "{LEARNED}" needs a learned map and {lacks}; run brainmidi '
            "calibrate and name its file with --baseline-profile, or give the knob a feature"
        )
    return profile.learned


def declarative(config: SessionConfig) -> SessionConfig:
    """Return `config` with the default rule for every knob that asks for a learned map, which is one person's."""
    asking = [name for name, table in config.map.knobs().items() if table.feature == LEARNED]
    usual = type(config.map)()
    rules = {name: getattr(usual, name) for name in asking}
    return config.model_copy(update={"map": config.map.model_copy(update=rules)}) if asking else config
