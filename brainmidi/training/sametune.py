"""Pieces that are one tune, such as a chorale set twice or a song recorded by two: they go into one split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from brainmidi.training.corpora import Piece, split_of

#: Notes of a turn of the melody, and the share of turns by which two pieces are one tune.
TURN = 8
SAME_TUNE = 0.5


def splits(pieces: Sequence[Piece]) -> dict[str, str]:
    """Return the split of each piece by name; pieces of one tune (a chorale set twice) go where the first of them goes.

    Two pieces are of one tune where more than half of the shorter one's melody, as turns of eight notes in whatever
    key and rhythm, stands in the other's.
    """
    turns: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for piece in pieces:
        pitches = [pitch for _, _, pitch in piece.parts[0]]
        steps = tuple(b - a for a, b in pairwise(pitches))
        turns[piece.name].update(steps[i : i + TURN - 1] for i in range(len(steps) - TURN + 2))
    leader = {name: name for name in turns}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    having: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, own in turns.items():
        shared: dict[str, int] = defaultdict(int)
        for turn in own:
            for other in having[turn]:
                shared[other] += 1
            having[turn].append(name)
        for other, count in shared.items():
            if count > SAME_TUNE * min(len(own), len(turns[other])):
                # The piece that came first leads, so that adding pieces later moves none of the earlier.
                ends = sorted((find(name), find(other)), key=list(turns).index)
                leader[ends[1]] = ends[0]
    return {name: split_of(find(name)) for name in turns}
