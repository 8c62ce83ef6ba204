from __future__ import annotations

import pytest

from brainmidi.config import SessionConfig
from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.controls.profile import Day, Profile
from brainmidi.drivers.personal import read_profile
from brainmidi.errors import ControlError
from brainmidi.types import Montage

MONTAGE = Montage(("Fz", "O1", "O2"), 250.0)


def profile(**sections) -> Profile:
    signal = SessionConfig().signal.model_dump(mode="json")
    rest = Baseline({"alpha": FeatureRest(10.0, 1.0)}, 800, "a test", "brainmidi calibrate")
    day = Day("2026-11-21_10-00-00", "a test", 800, {"alpha": (9.0, 10.0, 11.0)})
    return Profile(day.created, "a test", False, MONTAGE, signal, {"open": 60.0}, rest, (day,), sections=sections)


@pytest.mark.parametrize("section", ["erp", "asr"])
def test_a_damaged_section_is_told_with_the_files_name_before_the_music(tmp_path, section):
    path = tmp_path / "me.json"
    profile().save(path)
    assert read_profile(path, SessionConfig(), MONTAGE)[1] == profile()
    profile(**{section: {"version": 1}}).save(path)
    with pytest.raises(ControlError, match=r"profile .*me\.json: .*calibrate") as caught:
        read_profile(path, SessionConfig(), MONTAGE)
    assert "\n" not in str(caught.value)
