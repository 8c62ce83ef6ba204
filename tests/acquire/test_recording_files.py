from __future__ import annotations

import numpy as np
import pytest
from eeg_files import (
    needs_recordings,
    noise_chunk,
    recordings,
    synthetic_table,
    with_markers,
    write_brainvision,
    write_edf,
    write_eeglab,
)

from brainmidi.acquire.csvfile import write_csv
from brainmidi.acquire.recording import open_recording
from brainmidi.errors import SourceError
from brainmidi.types import Marker

NAMES = ("Fz", "Cz", "O1")


def samples(rate_hz: int = 128, seconds: int = 3) -> np.ndarray:
    return 20.0 * np.random.default_rng(0).standard_normal((rate_hz * seconds, len(NAMES)))


@pytest.mark.parametrize(("suffix", "bits"), [(".edf", 16), (".bdf", 24)])
def test_edf_and_bdf_are_read_in_microvolts_with_standard_names(tmp_path, suffix, bits):
    path = tmp_path / f"take{suffix}"
    write_edf(path, samples(), ("Fz..", "CZ", "EEG O1-REF"), 128, bits=bits)
    source = open_recording(path)
    assert source.montage.names == NAMES
    assert source.montage.rate_hz == 128
    assert source.duration_s == 3
    assert np.allclose(source.read(float("inf")).samples_uv, samples(), atol=0.06)


def test_brainvision_is_read_with_its_markers(tmp_path):
    write_brainvision(tmp_path / "take.vhdr", samples(), NAMES, 128, mark_at=64)
    source = open_recording(tmp_path / "take.vhdr")
    assert [(marker.label, marker.time_s) for marker in source.markers if marker.label == "S2"] == [("S2", 0.5)]
    assert np.allclose(source.read(float("inf")).samples_uv, samples(), atol=1e-3)


def test_eeglab_is_read_with_its_events(tmp_path):
    write_eeglab(tmp_path / "take.set", samples(), NAMES, 128, mark_at=32)
    source = open_recording(tmp_path / "take.set")
    assert source.montage.names == NAMES
    assert source.markers == (Marker(0.25, "target"),)
    assert np.allclose(source.read(float("inf")).samples_uv, samples(), atol=1e-3)


def test_fif_is_read_with_stimulus_channel_and_without_other_sensors(tmp_path):
    import mne

    stimulus = np.zeros((1, 384))
    stimulus[0, 128:130] = 2
    info = mne.create_info([*NAMES, "ECG 1", "STI 014"], 128.0, ["eeg"] * 3 + ["ecg", "stim"])
    data = np.concatenate([samples().T * 1e-6, np.zeros((1, 384)), stimulus])
    mne.io.RawArray(data, info, verbose="ERROR").save(tmp_path / "take_raw.fif", verbose="ERROR")
    source = open_recording(tmp_path / "take_raw.fif")
    assert source.montage.names == NAMES
    assert source.markers == (Marker(1.0, "2"),)
    assert np.allclose(source.read(float("inf")).samples_uv, samples(), atol=1e-3)


def test_csv_comes_back_as_it_was_written(tmp_path):
    chunk = with_markers(noise_chunk(seconds=2.0), [Marker(0.5, "target"), Marker(1.25, "left hand")])
    write_csv(tmp_path / "take.csv", chunk)
    source = open_recording(tmp_path / "take.csv")
    again = source.read(float("inf"))
    assert again.montage == chunk.montage
    assert again.markers == chunk.markers
    assert np.allclose(again.samples_uv, chunk.samples_uv, atol=1e-4)


def test_empty_cells_of_a_csv_are_missing_samples(tmp_path):
    rows = [f"{i / 100:.2f},{'' if i == 20 else i % 7},{i % 5}" for i in range(50)]
    (tmp_path / "take.csv").write_text("% made by hand\ntime,Cz,Pz\n" + "\n".join(rows) + "\n")
    chunk = open_recording(tmp_path / "take.csv").read(float("inf"))
    assert np.isnan(chunk.samples_uv[20, 0])
    assert np.isfinite(chunk.samples_uv[20, 1])
    assert np.isnan(chunk.samples_uv).sum() == 1


def test_milliseconds_gaps_and_clocks_that_jump_back_end_on_an_even_grid(tmp_path):
    stamps = np.concatenate([np.arange(100) * 4.0, 2000.0 + np.arange(100) * 4.0, np.arange(50) * 4.0])
    rows = [f"{stamp:.0f},{number % 9},{int(number == 150)}" for number, stamp in enumerate(stamps)]
    (tmp_path / "take.csv").write_text("timestamps,TP9,Marker\n" + "\n".join(rows) + "\n")
    source = open_recording(tmp_path / "take.csv")
    chunk = source.read(float("inf"))
    assert source.montage.rate_hz == 250
    assert np.allclose(np.diff(chunk.time_s), 0.004)
    finite = np.flatnonzero(np.isfinite(chunk.samples_uv[:, 0]))
    assert len(finite) == 250
    assert finite[100] == 500  # 2.000 s, as stamped
    assert source.markers == (Marker(finite[150] / 250, "1"),)


def rows_at(stamps: np.ndarray) -> str:
    return "time,Oz\n" + "".join(f"{stamp:.6f},{number % 7}\n" for number, stamp in enumerate(stamps))


def test_a_fifth_of_a_second_lost_each_second_is_missing_and_leaves_the_rate_alone(tmp_path):
    true_s = np.arange(256 * 20) / 256
    (tmp_path / "take.csv").write_text(rows_at(true_s[true_s % 1 < 0.8]))
    source = open_recording(tmp_path / "take.csv")
    assert source.montage.rate_hz == 256
    present = np.isfinite(source.read(float("inf")).samples_uv[:, 0])
    assert np.array_equal(present, (true_s % 1 < 0.8)[: len(present)])


def late(true_s: np.ndarray) -> np.ndarray:
    """A stall of 0.15 s, then everything at once."""
    return np.where((true_s > 8) & (true_s < 8.15), 8.15 + (true_s - 8) * 1e-3, true_s)


@pytest.mark.parametrize(
    "stamped", [late, lambda true_s: np.floor(true_s * 256 / 12) * 12 / 256, lambda s: np.round(s, 3)]
)
def test_bursts_late_rows_and_rounded_stamps_are_no_gaps(tmp_path, stamped):
    true_s = np.arange(256 * 20) / 256
    (tmp_path / "take.csv").write_text(rows_at(stamped(true_s)))
    source = open_recording(tmp_path / "take.csv")
    assert source.montage.rate_hz == 256
    assert np.isfinite(source.read(float("inf")).samples_uv).all()


@pytest.mark.parametrize("between", ["\n", "# a note, with a comma\n", "% OpenBCI\n", "\n# both\n\n"])
@pytest.mark.parametrize("cell", ["1.0", ""])
def test_blank_lines_and_comments_move_no_marker(tmp_path, between, cell):
    rows = [f"{number / 100:.2f},{number % 7},{'target' if number == 250 else 0}\n" for number in range(400)]
    rows[40] = f"0.40,{cell},0\n"
    rows.insert(20, between)
    rows.insert(200, between)
    (tmp_path / "take.csv").write_text("time,Oz,marker\n" + "".join(rows))
    source = open_recording(tmp_path / "take.csv")
    assert source.markers == (Marker(2.5, "target"),)
    assert len(source.read(float("inf"))) == 400


def test_a_quoted_label_may_hold_a_comma(tmp_path):
    label = '"left, red"'
    rows = [f"{number / 100:.2f},{label if number == 250 else 0},{number % 7}" for number in range(400)]
    (tmp_path / "take.csv").write_text("time,marker,Oz\n" + "\n".join(rows) + "\n")
    source = open_recording(tmp_path / "take.csv")
    assert source.markers == (Marker(2.5, "left, red"),)
    assert source.read(float("inf")).samples_uv[250, 0] == 5.0


def test_a_csv_without_a_sample_is_one_line_and_no_warning(tmp_path, recwarn):
    (tmp_path / "take.csv").write_text("time,Oz,marker\n\n")
    with pytest.raises(SourceError, match="0 samples"):
        open_recording(tmp_path / "take.csv")
    assert not recwarn.list


def test_bursts_of_equal_stamps_are_spread(tmp_path):
    stamps = np.repeat(np.arange(0, 4, 12 / 256), 12)
    rows = [f"{stamp:.4f},{number % 9}" for number, stamp in enumerate(stamps)]
    (tmp_path / "take.csv").write_text("time,TP10\n" + "\n".join(rows) + "\n")
    source = open_recording(tmp_path / "take.csv")
    assert source.montage.rate_hz == pytest.approx(256, rel=0.02)
    assert np.isfinite(source.read(float("inf")).samples_uv).all()


def test_a_brainflow_csv_is_known_by_its_shape(tmp_path):
    table = synthetic_table(500)
    np.savetxt(tmp_path / "take.csv", table, delimiter="\t", fmt="%.6f")
    source = open_recording(tmp_path / "take.csv", board="synthetic")
    assert source.montage.names[:3] == ("Fz", "C3", "Cz")
    assert source.markers == (Marker(1.0, "2"),)
    assert np.allclose(source.read(float("inf")).samples_uv, table[:, 1:17], atol=1e-5)
    with pytest.raises(SourceError, match="columns"):
        open_recording(tmp_path / "take.csv", board="muse_2")


def test_a_brainflow_csv_that_fits_several_boards_asks_which(tmp_path):
    table = np.zeros((400, 32))
    table[:, 30] = 1.7e9 + np.arange(400) / 125
    np.savetxt(tmp_path / "take.csv", table, delimiter="\t", fmt="%.6f")
    source = open_recording(tmp_path / "take.csv")
    assert source.montage.rate_hz == 125
    assert source.montage.names[:2] == ("Fp1", "Fp2")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.edf", None, "does not exist"),
        ("text.edf", b"Dear diary, today I closed my eyes.\n" * 20, "is no EDF file"),
        ("text.bdf", b"Dear diary, today I closed my eyes.\n" * 20, "is no BDF file"),
        ("short.edf", b"0       ", "cannot be read"),
        ("text.fif", b"Dear diary", "cannot be read"),
        ("text.vhdr", b"Dear diary", "cannot be read"),
        ("text.set", b"Dear diary", "cannot be read"),
        ("take.mp3", b"", "known are .edf"),
        ("empty.csv", b"", "is empty"),
        ("notime.csv", b"Cz,Pz\n1,2\n", "no time column"),
        ("noeeg.csv", b"time,ECG,AUX\n0,1,2\n", "0 EEG channels"),
        ("short.csv", b"time,Cz\n0,1\n0.01,2\n", "at least 10"),
        ("still.csv", b"time,Cz\n" + b"1,2\n" * 20, "do not advance"),
        ("binary.csv", bytes(range(256)) * 4, "not a text file"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_recording(tmp_path / name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_edf_without_eeg_is_refused(tmp_path):
    write_edf(tmp_path / "heart.edf", samples()[:, :2], ("ECG", "Resp chest"), 128)
    with pytest.raises(SourceError, match="0 EEG channels among ECG"):
        open_recording(tmp_path / "heart.edf")


@pytest.mark.recording
@needs_recordings
def test_physionet_channels_are_named_as_everywhere():
    source = open_recording(recordings() / "eegbci" / "S001R01.edf")
    assert len(source.montage.names) == 64
    assert {"FC5", "Fp1", "AFz", "Oz", "Iz", "T9"} <= set(source.montage.names)
    assert source.montage.rate_hz == 160


@pytest.mark.recording
@needs_recordings
def test_a_muse_csv_has_four_channels_and_both_kinds_of_marker():
    path = sorted((recordings() / "muse_visual_p300" / "session1").glob("*.csv"))[0]
    source = open_recording(path)
    assert source.montage.names == ("TP9", "AF7", "AF8", "TP10")
    assert source.montage.rate_hz == 256
    labels = [marker.label for marker in source.markers]
    assert (labels.count("1"), labels.count("2")) == (165, 32)
