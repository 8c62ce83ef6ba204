from __future__ import annotations

import pytest

from brainmidi.acquire.names import eeg_columns, electrode


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Oz..", "Oz"), ("Fc5.", "FC5"), ("FP1", "Fp1"), ("EEG Fpz-Cz", "Fpz"), ("EEG O1-REF", "O1"), ("TP9", "TP9"),
        ("CZ", "Cz"), ("Afz.", "AFz"), ("T3", "T3"), ("Right AUX", None), ("ECG", None), ("Z1", None), ("", None),
    ],
)  # fmt: skip
def test_a_label_is_spelled_the_one_way(label, name):
    assert electrode(label) == name


def test_a_known_electrode_makes_unknown_labels_not_eeg():
    assert eeg_columns(["TP9", "AF7", "Right AUX", "Thing"]) == {0: "TP9", 1: "AF7"}


def test_numbered_channels_count_where_no_electrode_is_named():
    assert eeg_columns(["Sample Index", "EXG Channel 0", "EXG Channel 1", "Accel Channel 0"]) == {1: "EEG0", 2: "EEG1"}


def test_unknown_labels_count_only_where_the_file_says_that_they_are_eeg():
    assert eeg_columns(["left", "right", "ECG"]) == {}
    assert eeg_columns(["left", "right", "ECG"], typed=True) == {0: "left", 1: "right"}


def test_repeated_names_are_told_apart():
    assert eeg_columns(["Cz", "CZ"]) == {0: "Cz", 1: "Cz_2"}
