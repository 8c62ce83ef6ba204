"""Draws what a calibration found: spectra by region, and how well each feature tells the phases apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brainmidi.errors import NotationError
from brainmidi.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = {"open": "#0072B2", "closed": "#D55E00", "focus": "#009E73", "rest": "#999999"}
_WORDS = {"open": "eyes open", "closed": "eyes closed"}
_INK, _PALE, _BAD = "#222222", "#DDDDDD", "#CC3311"
_DASHED = (0, (4, 3))
_ALPHA_HZ = (8.0, 13.0)
_SHOWN = 12  # features, and electrodes where there are many


@dataclass(frozen=True, slots=True)
class Curve:
    """One phase's spectrum: dB by frequency, its 1/f background, and its alpha peak where it has one."""

    phase: str
    power_db: FloatArray
    background_db: FloatArray
    peak_hz: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """The spectra of one region."""

    region: str
    frequency_hz: FloatArray
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """How well features tell two phases apart: (feature, AUC, low, high), the best first; `chosen` stands out.

    `floor` is the AUC that a knob needs.
    """

    contrast: tuple[str, str]
    rows: tuple[tuple[str, float, float, float], ...]
    chosen: str
    floor: float


def draw_report(
    path: Path,
    *,
    title: str,
    subtitle: str,
    footer: str,
    panels: Sequence[Panel],
    forests: Sequence[Forest],
    quality: Mapping[str, float],
    bad: Sequence[str],
) -> None:
    """Draw a calibration and save it.

    Parameters
    ----------
    path : Path
        ``.png``, ``.pdf`` or ``.svg``.
    title, subtitle, footer : str
    panels : sequence of Panel
        One or more.
    forests : sequence of Forest
        Two at most.
    quality : mapping of str to float
        Each electrode's share of good samples, 0..1.
    bad : sequence of str
        Electrodes that are left out.

    Raises
    ------
    NotationError
        The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 8.2 if forests else 5.6), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.055, 0.965, title, fontsize=15, fontweight="bold", color=_INK, va="top")
    figure.text(0.055, 0.925 if forests else 0.905, subtitle, fontsize=10.5, color=_INK, va="top")
    figure.text(0.055, 0.016, footer, fontsize=7.5, color="#666666", va="bottom")
    top, middle = (0.835, 0.53) if forests else (0.78, 0.40)
    above = figure.add_gridspec(1, len(panels), left=0.055, right=0.985, top=top, bottom=middle, wspace=0.08)
    first: Axes | None = None
    for column, panel in enumerate(panels):
        axes = figure.add_subplot(above[0, column], sharey=first)
        _draw_spectra(axes, panel, labelled=first is None)
        first = first or axes
    low = 0.105 if forests else 0.16
    below = figure.add_gridspec(
        1,
        len(forests) + 1,
        left=0.13 if forests else 0.055,
        right=0.985,
        top=middle - 0.115,
        bottom=low,
        wspace=0.85 if len(forests) > 1 else 0.4,
        width_ratios=[*[1.0] * len(forests), 0.7],
    )
    for column, forest in enumerate(forests):
        _draw_forest(figure.add_subplot(below[0, column]), forest)
    _draw_electrodes(figure.add_subplot(below[0, len(forests)]), quality, bad)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).split(";", maxsplit=1)[0]
        raise NotationError(f"plot {path} cannot be written ({reason}); name a .png, .pdf or .svg elsewhere") from error


def _draw_spectra(axes: Axes, panel: Panel, *, labelled: bool) -> None:
    axes.axvspan(*_ALPHA_HZ, color="#F4EFE3", zorder=0)
    shown = (panel.frequency_hz >= 2.0) & (panel.frequency_hz <= 40.0)
    highest = max(panel.curves, key=lambda curve: _at_peak_db(panel, curve), default=None)
    for curve in panel.curves:
        colour = _COLOURS.get(curve.phase, _INK)
        label = _WORDS.get(curve.phase, curve.phase)
        axes.plot(panel.frequency_hz[shown], curve.power_db[shown], color=colour, linewidth=1.7, label=label, zorder=3)
        axes.plot(panel.frequency_hz[shown], curve.background_db[shown], color=colour, linewidth=0.9, linestyle=_DASHED)
        if curve.peak_hz is not None:
            height_db = _at_peak_db(panel, curve)
            axes.plot(curve.peak_hz, height_db, "o", color=colour, markersize=5, markeredgecolor="white", zorder=4)
            if curve is highest:
                axes.annotate(
                    f"{curve.peak_hz:.1f} Hz", (curve.peak_hz, height_db), xytext=(7, 3), textcoords="offset points",
                    fontsize=8.5, color=colour,
                )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks([2, 4, 8, 13, 20, 30, 40], labels=["2", "4", "8", "13", "20", "30", "40"], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.set_xlim(2, 40)
    axes.set_title(panel.region, fontsize=10.5, color=_INK, loc="left")
    axes.set_xlabel("Hz", fontsize=8.5)
    axes.tick_params(axis="y", labelsize=8, labelleft=labelled)
    if labelled:
        axes.set_ylabel("power density (dB re 1 µV²/Hz)", fontsize=8.5)
        axes.plot([], [], color=_INK, linewidth=0.9, linestyle=_DASHED, label="1/f background")
        axes.legend(fontsize=8, frameon=False, loc="upper right", handlelength=1.8)
    _plain(axes)
    axes.grid(axis="y", color=_PALE, linewidth=0.6)


def _at_peak_db(panel: Panel, curve: Curve) -> float:
    """Return a spectrum's value at its alpha peak; minus infinity where it has none."""
    return -np.inf if curve.peak_hz is None else float(np.interp(curve.peak_hz, panel.frequency_hz, curve.power_db))


def _draw_forest(axes: Axes, forest: Forest) -> None:
    rows = forest.rows[:_SHOWN]
    for place, (feature, auc, low, high) in enumerate(rows):
        chosen = feature == forest.chosen
        colour = _COLOURS.get(forest.contrast[1], _INK) if auc >= forest.floor and low > 0.5 else "#999999"
        axes.plot([low, high], [place, place], color=colour, linewidth=2.6 if chosen else 1.5, solid_capstyle="round")
        axes.plot(auc, place, "o", color=colour, markersize=7 if chosen else 4.5, markeredgecolor="white")
        axes.annotate(f"{auc:.2f}", (1.02, place), fontsize=7.5, color=_INK, va="center", annotation_clip=False)
    axes.axvline(forest.floor, color=_INK, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set_yticks(range(len(rows)), labels=[row[0] for row in rows], fontsize=8)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == forest.chosen else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0.45, 1.01)
    axes.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("AUC, 95 % interval (0.5 is chance)", fontsize=8.5)
    words = " against ".join(_WORDS.get(phase, phase) for phase in forest.contrast)
    axes.set_title(words, fontsize=10.5, color=_INK, loc="left")
    _plain(axes)
    axes.grid(axis="x", color=_PALE, linewidth=0.6)


def _draw_electrodes(axes: Axes, quality: Mapping[str, float], bad: Sequence[str]) -> None:
    worst = sorted(quality.items(), key=lambda one: (one[0] not in bad, one[1]))
    few = len(worst) <= _SHOWN + 4
    shown = list(quality.items()) if few else worst[:_SHOWN]
    colours = [_BAD if name in bad else "#6699AA" for name, _ in shown]
    axes.barh(range(len(shown)), [100 * share for _, share in shown], color=colours, height=0.7)
    axes.set_yticks(range(len(shown)), labels=[name for name, _ in shown], fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("good samples (%)", fontsize=8.5)
    axes.tick_params(axis="x", labelsize=8)
    left_out = f"; left out: {', '.join(bad[:4])}{' ...' if len(bad) > 4 else ''}" if bad else ""
    which = "electrodes" if few else f"the {_SHOWN} worst of {len(worst)} electrodes"
    axes.set_title(which + left_out, fontsize=10.5, color=_INK, loc="left")
    _plain(axes)
    axes.grid(axis="x", color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")
