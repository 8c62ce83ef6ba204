from __future__ import annotations

import numpy as np
import pytest
from eeg_files import noise_chunk, split
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.condition.gate import Gate, GateLimits
from brainmidi.condition.line import find_line_hz
from brainmidi.errors import SignalError
from brainmidi.types import Chunk, Montage

CUTS = st.lists(st.integers(1, 767), max_size=10)


def damaged() -> Chunk:
    """Six seconds with short and long gaps, a flat channel, a pop, a stuck rail and a late start."""
    chunk = noise_chunk()
    samples = chunk.samples_uv.copy()
    samples[300:303, 0] = np.nan
    samples[400:480] = np.nan
    samples[500:640, 1] = samples[500, 1]
    samples[550, 2] += 900.0
    samples[:50, 3] = np.nan
    return Chunk(samples, chunk.time_s, chunk.montage)


def run(chunk: Chunk, cuts=(), **settings) -> Chunk:
    conditioner = Conditioner(chunk.montage, settings=ConditionSettings(**settings))
    parts = [conditioner.process(part) for part in split(chunk, cuts)]
    return Chunk(
        np.concatenate([part.samples_uv for part in parts]),
        chunk.time_s,
        chunk.montage,
        (),
        np.concatenate([part.good for part in parts]),
    )


@given(cuts=CUTS)
def test_any_chunking_gives_the_same_samples_and_the_same_verdicts(cuts):
    whole, parts = run(damaged(), reference="average"), run(damaged(), cuts, reference="average")
    assert np.array_equal(whole.samples_uv, parts.samples_uv)
    assert np.array_equal(whole.good, parts.good)


def test_one_sample_at_a_time_gives_the_same():
    chunk = damaged()
    assert np.array_equal(run(chunk).samples_uv, run(chunk, range(1, len(chunk))).samples_uv)


def test_an_offset_of_tens_of_millivolts_leaves_no_trace():
    rest = noise_chunk()
    shifted = Chunk(rest.samples_uv + 50_000.0, rest.time_s, rest.montage)
    assert np.abs(run(rest).samples_uv).max() < 150.0
    assert np.allclose(run(rest).samples_uv, run(shifted).samples_uv, atol=1e-5)


def test_the_filter_never_looks_ahead():
    chunk = noise_chunk()
    changed = chunk.samples_uv.copy()
    changed[500:] += 100.0
    after = run(Chunk(changed, chunk.time_s, chunk.montage))
    assert np.array_equal(run(chunk).samples_uv[:500], after.samples_uv[:500])


def test_missing_samples_are_condemned_and_never_come_out():
    cleaned = run(damaged())
    assert np.isfinite(cleaned.samples_uv).all()
    assert not cleaned.good[400:480].any()
    assert not cleaned.good[:50, 3].any()


def test_the_filters_start_anew_after_a_gap_so_that_a_jump_of_the_offset_does_no_harm():
    chunk = noise_chunk(seconds=8.0)
    samples = chunk.samples_uv.copy()
    samples[400:480] = np.nan
    samples[480:] += 40_000.0
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage))
    assert np.abs(cleaned.samples_uv).max() < 150.0
    assert not cleaned.good[480:540].any()
    assert cleaned.good[620:].all()


def test_a_jump_in_time_is_a_gap_too():
    chunk = noise_chunk(seconds=8.0)
    samples, times = chunk.samples_uv.copy(), chunk.time_s.copy()
    samples[480:] += 40_000.0
    times[480:] += 3.0
    cleaned = run(Chunk(samples, times, chunk.montage))
    assert np.abs(cleaned.samples_uv).max() < 150.0


def test_a_flat_channel_is_condemned_and_its_neighbours_are_not():
    good = run(damaged()).good
    assert not good[530:640, 1].any()
    assert good[700:, 1].all()
    assert good[600:, 0].all()


def test_a_pop_is_condemned_for_a_quarter_second():
    good = run(damaged()).good
    assert not good[550:582, 2].any()
    assert good[700:, 2].all()


@pytest.mark.parametrize(("hum_hz", "found"), [(50.0, 50.0), (60.0, 60.0), (None, None)])
def test_the_mains_frequency_is_found(hum_hz, found):
    rng = np.random.default_rng(1)
    time_s = np.arange(500) / 250.0
    samples = 10.0 * rng.standard_normal((500, 4))
    if hum_hz:
        samples += 8.0 * np.sin(2 * np.pi * hum_hz * time_s)[:, None]
    assert find_line_hz(samples, 250.0) == found


def test_a_mains_frequency_above_nyquist_is_not_looked_for():
    assert find_line_hz(np.random.default_rng(1).standard_normal((200, 2)), 100.0) is None


def hummed(n: int, hum_hz: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return 10.0 * rng.standard_normal((n, 4)) + 20.0 * np.sin(2 * np.pi * hum_hz * np.arange(n) / 250.0)[:, None]


def humming(samples: np.ndarray) -> Chunk:
    return Chunk(samples, np.arange(len(samples)) / 250.0, Montage(("F3", "F4", "C3", "C4"), 250.0))


@pytest.mark.parametrize("first", ["missing", "rail", "dead", "torn"])
def test_the_mains_are_listened_for_until_there_are_usable_samples(first):
    samples = hummed(2500, 60.0)
    samples[:700] = {"missing": np.nan, "rail": 187_500.0, "dead": 3.0, "torn": 0.0}[first]
    if first == "torn":
        samples[:700] = 3000.0 * np.sign(np.sin(2 * np.pi * 1.3 * np.arange(700) / 250.0))[:, None]
    chunk = humming(samples)
    conditioner = Conditioner(chunk.montage)
    for part in split(chunk, range(97, 2500, 97)):
        conditioner.process(part)
    assert conditioner.line_hz == 60.0


def test_a_dead_electrode_does_not_hide_the_mains():
    samples = hummed(600, 50.0)
    samples[:, 1:] = 7.0
    conditioner = Conditioner(humming(samples).montage)
    conditioner.process(humming(samples))
    assert conditioner.line_hz == 50.0


def test_mains_that_begin_to_hum_later_are_found():
    samples = hummed(10_000, 50.0)
    samples[:1500] = hummed(1500, 5.0)
    chunk = humming(samples)
    conditioner = Conditioner(chunk.montage)
    clean = np.concatenate([conditioner.process(part).samples_uv for part in split(chunk, range(61, 10_000, 61))])
    assert conditioner.line_hz == 50.0
    assert np.array_equal(clean, run(chunk).samples_uv)
    spectrum = np.abs(np.fft.rfft(clean[7500:, 0] * np.hanning(2500)))
    assert spectrum[500] < spectrum[460:480].mean()  # 50 Hz beside 46 to 48 Hz


def test_a_mains_frequency_that_was_taken_from_something_else_changes():
    samples = hummed(15_000, 60.0)
    samples[:500] = hummed(500, 50.0)  # a motor, a lamp
    chunk = humming(samples)
    conditioner = Conditioner(chunk.montage)
    conditioner.process(Chunk(samples[:1000], chunk.time_s[:1000], chunk.montage))
    assert conditioner.line_hz == 50.0
    clean = run(chunk, range(83, 15_000, 83))
    conditioner.process(Chunk(samples[1000:], chunk.time_s[1000:], chunk.montage))
    assert conditioner.line_hz == 60.0
    assert np.array_equal(clean.samples_uv, run(chunk).samples_uv)
    spectrum = np.abs(np.fft.rfft(clean.samples_uv[12_500:, 0] * np.hanning(2500)))
    assert spectrum[600] < spectrum[560:580].mean()  # 60 Hz beside 56 to 58 Hz


def test_one_stretch_of_the_other_mains_frequency_changes_nothing():
    samples = hummed(15_000, 60.0)
    samples[4500:6500] += 3.0 * hummed(2000, 50.0)
    conditioner = Conditioner(humming(samples).montage)
    conditioner.process(humming(samples))
    assert conditioner.line_hz == 60.0


def test_a_single_channel_of_noise_does_not_hum():
    walk = np.cumsum(np.random.default_rng(3).standard_normal((100, 2500)), axis=1)
    for row in walk:
        conditioner = Conditioner(Montage(("Oz",), 250.0))
        conditioner.process(Chunk(row[:, None], np.arange(2500) / 250.0, conditioner.montage))
        assert conditioner.line_hz is None


def test_noise_alone_is_not_taken_for_the_mains():
    conditioner = Conditioner(humming(hummed(1, 50.0)).montage)
    conditioner.process(humming(10.0 * np.random.default_rng(2).standard_normal((75_000, 4))))
    assert conditioner.line_hz is None


def test_hum_and_its_harmonic_are_taken_out():
    time_s = np.arange(2500) / 250.0
    hum = 40.0 * np.sin(2 * np.pi * 50 * time_s) + 20.0 * np.sin(2 * np.pi * 100 * time_s)
    chunk = Chunk(np.stack([hum, hum], axis=1), time_s, Montage(("Cz", "Pz"), 250.0))
    assert np.abs(run(chunk, low_pass_hz=100.0).samples_uv[1250:]).max() < 0.5


def test_the_average_reference_leaves_condemned_channels_out():
    chunk = noise_chunk(names=("F3", "F4", "C3", "C4"))
    samples = chunk.samples_uv.copy()
    samples[:, 3] = 7.0  # dead
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage), reference="average")
    assert np.abs(cleaned.samples_uv[300:, :3].mean(axis=1)).max() < 1e-9


def test_a_reference_by_name_is_subtracted():
    chunk = noise_chunk()
    cleaned = run(chunk, reference=("Cz",))
    assert np.abs(cleaned.samples_uv[300:, 1]).max() == 0.0


@pytest.mark.parametrize(
    ("rate_hz", "settings", "words"),
    [
        (40.0, {}, "40 Hz"),
        (250.0, {"high_pass_hz": 0.0}, "not in order"),
        (250.0, {"high_pass_hz": 50.0}, "not in order"),
        (250.0, {"line": "55"}, "line frequency"),
        (250.0, {"line": "mains"}, "line frequency"),
        (250.0, {"reference": ("M1",)}, "M1 is not among"),
    ],
)
def test_what_cannot_be_is_one_clear_line(rate_hz, settings, words):
    with pytest.raises(SignalError) as caught:
        Conditioner(Montage(("Cz", "Pz"), rate_hz), settings=ConditionSettings(**settings))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_of_100_hz_still_works():
    assert run(noise_chunk(rate_hz=100.0)).good[200:].all()


def test_a_chunk_of_another_montage_is_refused():
    with pytest.raises(SignalError, match="were announced"):
        Conditioner(Montage(("Cz",), 128.0)).process(noise_chunk())


def test_a_channel_that_a_calibration_found_useless_is_left_out():
    chunk = noise_chunk()
    names = chunk.montage.names
    good = run(chunk, bad=(names[1], "of another montage")).good
    assert not good[:, 1].any()
    assert good[-100:, [0, 2]].all()


@pytest.mark.parametrize("pair", [("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"), ("T9", "T10")])
def test_linked_ears_are_the_mean_of_both_sides(pair):
    chunk = noise_chunk(names=("Fz", *pair))
    cleaned = run(chunk, reference="linked").samples_uv[300:]
    assert np.abs(cleaned[:, 1] + cleaned[:, 2]).max() < 1e-9


def test_one_ear_is_not_linked_to_anything():
    with pytest.raises(SignalError, match=r"M1/M2, A1/A2, TP9/TP10, T9/T10, the channels are Fz, M1, A2"):
        Conditioner(Montage(("Fz", "M1", "A2"), 250.0), settings=ConditionSettings(reference="linked"))


@pytest.mark.parametrize(("reference", "railed"), [("linked", [3, 4]), ("linked", [4]), (("M1",), [3])])
def test_nobody_is_believed_while_the_reference_is_not_whole(reference, railed):
    chunk = noise_chunk(names=("Fz", "Cz", "Pz", "M1", "M2"), seconds=8.0)
    samples = chunk.samples_uv.copy()
    samples[512:640, railed] = 187_500.0
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage), reference=reference)
    assert not cleaned.good[512 : 640 + 32].any()  # and not for hold_s after
    assert cleaned.good[200:512].all()
    assert cleaned.good[-128:].all()


def test_an_average_goes_on_without_those_that_are_bad():
    chunk = noise_chunk(names=("Fz", "Cz", "Pz", "M1", "M2"), seconds=8.0)
    samples = chunk.samples_uv.copy()
    samples[512:640, 3] = 187_500.0
    assert run(Chunk(samples, chunk.time_s, chunk.montage), reference="average").good[200:, :3].all()


@pytest.mark.parametrize("reference", ["linked", ("M2",)])
def test_a_reference_that_a_calibration_found_useless_is_refused(reference):
    montage = Montage(("Fz", "M1", "M2"), 250.0)
    with pytest.raises(SignalError, match="reference channel M2 is bad"):
        Conditioner(montage, settings=ConditionSettings(reference=reference, bad=("M2",)))
    Conditioner(montage, settings=ConditionSettings(reference="average", bad=("M2",)))


@pytest.mark.parametrize("rate_hz", [125.0, 128.0])
@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
def test_hum_just_below_nyquist_is_found_and_taken_out(rate_hz, hum_hz):
    rest = noise_chunk(rate_hz=rate_hz, seconds=8.0)
    time_s = rest.time_s
    samples = rest.samples_uv - 8.0 * np.sin(2 * np.pi * 50.0 * time_s)[:, None]
    quiet = run(Chunk(samples, time_s, rest.montage), line=hum_hz).samples_uv
    hummed = Chunk(samples + 30.0 * np.sin(2 * np.pi * hum_hz * time_s)[:, None], time_s, rest.montage)
    conditioner = Conditioner(rest.montage)
    conditioner.process(hummed)
    assert conditioner.line_hz == hum_hz
    assert np.abs(run(hummed, line=hum_hz).samples_uv - quiet)[-256:].max() < 0.5


@pytest.mark.parametrize("jump_uv", [300.0, 5_000.0, -80_000.0])
def test_an_electrode_that_jumped_is_believed_again_within_a_second_and_a_quarter(jump_uv):
    chunk = noise_chunk(seconds=10.0)
    samples = chunk.samples_uv.copy()
    samples[512:, 1] += jump_uv
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage))
    assert not cleaned.good[514:540, 1].any()
    assert cleaned.good[512 + 160 :, 1].all()
    assert np.abs(cleaned.samples_uv[512 + 160 :, 1]).max() < 100.0
    assert np.array_equal(cleaned.samples_uv[:, 0], run(chunk).samples_uv[:, 0])


@pytest.mark.parametrize("rate_hz", [250.0, 512.0, 1000.0])
@pytest.mark.parametrize(("step_uv", "good"), [(130.0, False), (70.0, True)])
def test_what_rises_too_steeply_in_4_ms_is_condemned_at_any_rate(rate_hz, step_uv, good):
    time_s = np.arange(round(2 * rate_hz)) / rate_hz
    raw = 5.0 * (np.arange(len(time_s)) % 2)[:, None]
    clean = 0.1 * raw + step_uv * np.clip((time_s - 1.0) / 0.004, 0.0, 1.0)[:, None]
    condemned = np.zeros(raw.shape, dtype=bool)
    verdict = Gate(GateLimits(), 1, rate_hz).judge(raw, clean, condemned)
    assert verdict.all() == good
    gate = Gate(GateLimits(), 1, rate_hz)
    parts = [
        gate.judge(raw[row : row + 3], clean[row : row + 3], condemned[row : row + 3]) for row in range(0, len(raw), 3)
    ]
    assert np.array_equal(np.concatenate(parts), verdict)


def test_the_rail_is_a_gap_and_not_a_step():
    chunk = noise_chunk(seconds=12.0)
    samples = chunk.samples_uv.copy()
    samples[400:900, 2] = 187_500.0
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage))
    assert not cleaned.good[400:960, 2].any()
    assert cleaned.good[1000:, 2].all()


def noisy_for_a_while(seconds: float = 60.0) -> Chunk:
    """A minute of six electrodes, of which one is four times as loud as the others from second 10 to second 35."""
    chunk = noise_chunk(names=("F3", "F4", "C3", "C4", "O1", "O2"), seconds=seconds)
    samples = chunk.samples_uv.copy()
    samples[1280:4480, 3] += 40.0 * np.random.default_rng(3).standard_normal(3200)
    return Chunk(samples, chunk.time_s, chunk.montage)


def test_an_electrode_that_stays_noisy_is_left_out_until_it_is_well_again():
    good = run(noisy_for_a_while()).good
    assert good[:1280, 3].mean() > 0.9
    assert not good[3200:4480, 3].any()
    assert good[-1000:, 3].all()
    assert good[200:, [0, 1, 2, 4, 5]].all()
    conditioner = Conditioner(noisy_for_a_while().montage)
    conditioner.process(noisy_for_a_while(35.0))
    assert conditioner.bad_channels == ("C4",)


def test_a_noisy_electrode_stays_where_nobody_watches():
    assert run(noisy_for_a_while(), watch=False).good[3200:4480, 3].mean() > 0.9


def stormy() -> Chunk:
    """Forty seconds with everything that makes filters start anew, in several channels at once."""
    chunk = noisy_for_a_while(40.0)
    samples, times = chunk.samples_uv.copy(), chunk.time_s.copy()
    samples[700:705, 0] = np.nan
    samples[900:1400] = np.nan
    samples[2000:, 1] += 4000.0
    samples[2011:, 2] -= 700.0
    samples[2600:2900, 4] = 187_500.0
    samples[3000:3200, 5] = samples[3000, 5]
    times[3600:] += 5.0
    return Chunk(samples, times, chunk.montage)


@settings(max_examples=8)
@given(size=st.integers(1, 1280))
def test_jumps_rails_and_bad_electrodes_are_the_same_for_any_chunking(size):
    whole, parts = run(stormy(), reference="average"), run(stormy(), range(size, 5120, size), reference="average")
    assert np.array_equal(whole.samples_uv, parts.samples_uv)
    assert np.array_equal(whole.good, parts.good)
