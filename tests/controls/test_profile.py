from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calibrated import profile
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.merging import day_of, drift, merge, pool
from brainmidi.controls.profile import Day, Profile
from brainmidi.controls.profileread import from_document, is_profile, load_profile
from brainmidi.controls.separation import Separation
from brainmidi.errors import ControlError
from brainmidi.types import FeatureFrame, Montage

NUMBER = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
SHARE = st.floats(0, 1)
NAME = st.text(min_size=1, max_size=8)


@st.composite
def profiles(draw) -> Profile:
    names = draw(st.lists(NAME, min_size=1, max_size=5, unique=True))
    features = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    days = tuple(
        Day(
            draw(NAME),
            draw(NAME),
            draw(st.integers(1, 9999)),
            {name: tuple(sorted(draw(st.lists(NUMBER, min_size=1))))},
        )
        for name in features
    )
    bad = draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names) - 1))
    learned = LearnedMap({"a": draw(NUMBER)}, draw(NUMBER), {"a": draw(NUMBER)}, 0.9, 0.8)
    separations = [
        Separation(("open", "closed"), name, 0.5, *sorted([draw(SHARE), draw(SHARE)]), draw(st.booleans()))
        for name in features
    ]
    return profile(
        created=draw(NAME),
        source=draw(st.text()),
        simulated=draw(st.booleans()),
        montage=Montage(tuple(names), draw(st.floats(1, 1000))),
        signal=draw(st.dictionaries(NAME, st.one_of(NUMBER, st.text(), st.booleans()))),
        phases=draw(st.dictionaries(NAME, NUMBER)),
        days=days,
        bad=tuple(bad),
        line_hz=draw(st.sampled_from([None, 50.0, 60.0])),
        alpha_hz=draw(st.one_of(st.none(), NUMBER)),
        separation=tuple(separations),
        held_out=draw(st.dictionaries(NAME, SHARE)),
        sections={"learned": learned.document(), "erp": {"floor": draw(NUMBER)}},
    )


def complaint_of(read: Callable[[], object]) -> str:
    """Return what is said of a file that is refused; any error but ours is the test's failure."""
    try:
        read()
    except ControlError as error:
        return str(error)
    return ""


@given(profiles())
def test_a_saved_profile_is_read_back(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("profile") / "me.json"
    assert written.save(path) is None
    read = load_profile(path)
    assert read.document() == written.document()
    assert read.learned == written.learned
    assert (read.montage, read.days, read.separation) == (written.montage, written.days, written.separation)


@given(cut=st.integers(0, 10**6), noise=st.binary(min_size=1, max_size=3))
def test_any_damage_is_one_line_or_none(tmp_path_factory, cut, noise):
    path = tmp_path_factory.mktemp("profile") / "me.json"
    learned = LearnedMap({"a": 1.0}, 0.5, {"a": 1.0}, 0.9, 0.8)
    profile(sections={"learned": learned.document()}).save(path)
    whole = path.read_bytes()
    at = cut % len(whole)
    for damaged in (whole[:at], whole[:at] + noise + whole[at + len(noise) :]):
        path.write_bytes(damaged)
        complaint = complaint_of(lambda: load_profile(path))
        assert "\n" not in complaint
        assert not complaint or "brainmidi calibrate" in complaint


PATHS = [
    *[(key,) for key in profile().document()],
    ("montage", "names"), ("montage", "rate_hz"), ("baseline", "features"), ("baseline", "n_frames"),
    ("days", 0, "quantiles"), ("days", 0, "n_frames"), ("separation", 0, "auc"), ("separation", 0, "contrast"),
]  # fmt: skip


@given(
    where=st.sampled_from(PATHS), value=st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(NUMBER))
)
def test_any_wrong_value_anywhere_is_one_line_or_none(where, value):
    document = json.loads(json.dumps(profile().document()))
    node = document
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = value
    assert "\n" not in complaint_of(lambda: from_document(document))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "brainmidi-baseline"}, "is not a brainmidi profile"),
        ({"version": 7}, "version 7, 1 is needed"),
        ({"bad": ["Cz"]}, "bad channel Cz is not among its electrodes"),
        ({"bad": ["Fz", "O1", "O2"]}, "all of its electrodes are bad"),
        ({"days": []}, "has no day"),
        ({"line_hz": "50"}, "'50' is no finite number"),
        ({"montage": {"names": ["O1", "O1"], "rate_hz": 250}}, "repeat"),
        ({"baseline": {"n_frames": 3, "features": {"alpha": {"median": 1}}}}, "is damaged"),
        ({"sections": {"learned": {"version": 2}}}, "its learned map lacks something"),
    ],
)
def test_a_wrong_profile_is_one_clear_line(tmp_path, change, words):
    path = tmp_path / "me.json"
    path.write_text(json.dumps(profile().document() | change))
    with pytest.raises(ControlError, match=words) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"[[[" * 40_000, b'{"a": NaN}', None])
def test_what_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "me.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ControlError) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)


def test_an_older_profile_is_kept_beside_the_new_one(tmp_path):
    path = tmp_path / "me.json"
    first, second, third = (profile(source=word) for word in ("first", "second", "third"))
    assert first.save(path) is None
    assert second.save(path) == tmp_path / "me.1.json"
    assert third.save(path) == tmp_path / "me.2.json"
    read = [load_profile(tmp_path / name).source for name in ("me.1.json", "me.2.json", "me.json")]
    assert read == ["first", "second", "third"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["me.1.json", "me.2.json", "me.json"]


def test_a_profile_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "me.json"
    profile(source="first").save(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ControlError, match="No space left on device"):
        profile(source="second").save(path)
    monkeypatch.undo()
    assert load_profile(path).source == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["me.json"]
    with pytest.raises(ControlError, match="cannot be written"):
        profile().save(tmp_path / "nowhere" / "me.json")


def test_a_plain_baseline_is_told_from_a_profile(tmp_path):
    profile().save(tmp_path / "me.json")
    profile().baseline.save(tmp_path / "rest.json")
    assert is_profile(tmp_path / "me.json")
    assert not is_profile(tmp_path / "rest.json")


def test_merged_medians_and_spreads_are_those_of_all_frames_together():
    generator = np.random.default_rng(2)
    runs = [generator.normal(10, 1, 600), generator.normal(13, 2, 1800)]
    frames = [
        [
            FeatureFrame(k / 20, ("alpha",), np.zeros((1, 1)), np.ones(1), {"alpha": value}, 1.0)
            for k, value in enumerate(run)
        ]
        for run in runs
    ]
    pooled = pool([day_of(run, ("alpha",), f"day {number}", "a test") for number, run in enumerate(frames)])
    together = np.concatenate(runs)
    median = np.median(together)
    assert pooled.features["alpha"].median == pytest.approx(median, abs=0.1)
    assert pooled.features["alpha"].mad == pytest.approx(np.median(np.abs(together - median)), abs=0.1)
    assert pooled.n_frames == 2400


def test_merging_does_not_depend_on_the_order_nor_on_how_often_a_day_is_named():
    a, b, c = (profile(f"2026-11-{day}_10-00-00", alpha) for day, alpha in ((1, 9.0), (2, 10.0), (3, 12.0)))
    whole = merge({"a": a, "b": b, "c": c})
    assert merge({"c": c, "a": a, "b": b}).document() == whole.document()
    ab = merge({"a": a, "b": b})
    again = merge({"ab": ab, "c": c, "a": a})
    assert again.days == whole.days
    assert again.baseline == whole.baseline


def test_a_merged_interval_is_wider_where_the_days_disagree():
    def day(number: int, auc: float, rises: bool = True) -> Profile:
        one = Separation(("open", "closed"), "alpha", auc, auc - 0.05, min(1.0, auc + 0.05), rises)
        return profile(f"2026-11-0{number}_10-00-00", separation=(one,))

    (alike,) = merge({"a": day(1, 0.9), "b": day(2, 0.9)}).separation
    (unlike,) = merge({"a": day(1, 0.95), "b": day(2, 0.75)}).separation
    (against,) = merge({"a": day(1, 0.9), "b": day(2, 0.9, rises=False)}).separation
    assert alike.auc == pytest.approx(0.9)
    assert unlike.high - unlike.low > alike.high - alike.low
    assert against.auc == pytest.approx(0.5)


def test_drift_is_told_in_spreads_of_the_first_day():
    days = [*profile(alpha=10.0).days, *profile("2026-11-22_10-00-00", alpha=14.0).days]
    assert drift(days) == {"alpha": (0.0, pytest.approx(4.0 / (1.4826 * 1.0), rel=0.05))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"montage": Montage(("O1",), 250.0), "bad": ()}, "electrodes or rate"),
        ({"signal": {"window_s": 3.0, "bands": {"alpha": [8.0, 13.0]}}}, r"\[signal\] window_s"),
        ({"simulated": True}, "one is simulated"),
    ],
)
def test_profiles_of_different_set_ups_are_not_merged(change, words):
    with pytest.raises(ControlError, match=words):
        merge({"a.json": profile(), "b.json": profile("2026-11-22_10-00-00", **change)})
    with pytest.raises(ControlError, match="1 profile to merge, 2 or more"):
        merge({"a.json": profile()})


def test_a_day_that_two_merged_profiles_share_is_refused():
    a, b, c = (profile(f"2026-11-{day:02d}_10-00-00") for day in (1, 2, 3))
    ab, bc = merge({"a": a, "b": b}), merge({"b": b, "c": c})
    with pytest.raises(ControlError, match=r"bc and ab both hold the day 2026-11-02_10-00-00"):
        merge({"ab": ab, "bc": bc})
    assert merge({"ab": ab, "a": a, "c": c}).phases == {"open": 120.0, "closed": 120.0}


def test_a_merge_leaves_out_what_needs_an_electrode_that_is_bad_now():
    old = profile("2026-11-01_10-00-00", bad=(), sections={"erp": {"channels": ["O1"]}, "asr": {"channels": ["Fz"]}})
    new = profile("2026-11-02_10-00-00", bad=("O1",))
    assert set(merge({"old": old, "new": new}).sections) == {"asr"}
