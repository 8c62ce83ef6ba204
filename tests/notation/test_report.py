from __future__ import annotations

import numpy as np
import pytest

from brainmidi.errors import NotationError
from brainmidi.notation.report import Curve, Forest, Panel, draw_report

FREQUENCY_HZ = np.arange(0.0, 45.0, 0.5)


def draw(path, forests=1, bad=("Fz",)):
    below = 20 - 10 * np.log10(np.maximum(FREQUENCY_HZ, 0.5))
    above = below + 10 * np.exp(-((FREQUENCY_HZ - 10) ** 2))
    curves = (Curve("open", below, below, None), Curve("closed", above, below, 10.0))
    rows = (("alpha.posterior", 0.99, 0.97, 1.0), ("gamma", 0.55, 0.4, 0.7))
    draw_report(
        path,
        title="Calibration of a test",
        subtitle="your best knob: alpha.posterior",
        footer="a footer",
        panels=[Panel("occipital", FREQUENCY_HZ, curves), Panel("frontal", FREQUENCY_HZ, curves[:1])],
        forests=[Forest(("open", "closed"), rows, "alpha.posterior", 0.7)] * forests,
        quality={"Fz": 0.1, "O1": 1.0},
        bad=bad,
    )


@pytest.mark.parametrize("forests", [0, 1, 2])
def test_a_calibration_is_drawn_with_its_words(tmp_path, forests):
    draw(tmp_path / "me.svg", forests)
    text = (tmp_path / "me.svg").read_text(encoding="utf-8")
    for words in ("Calibration of a test", "eyes closed", "10.0 Hz", "left out: Fz"):
        assert words in text
    assert text.count("eyes open against eyes closed") == forests


def test_a_picture_is_a_png_by_its_suffix(tmp_path):
    draw(tmp_path / "me.png", bad=())
    assert (tmp_path / "me.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_plot_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(NotationError, match="cannot be written"):
        draw(tmp_path / "nowhere" / "me.png")
