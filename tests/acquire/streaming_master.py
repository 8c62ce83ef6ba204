"""BrainFlow's synthetic board, streamed to a multicast address until its input closes: ``streaming_master.py PORT``."""

from __future__ import annotations

import sys

from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams

BoardShim.disable_board_logger()
board = BoardShim(BoardIds.SYNTHETIC_BOARD.value, BrainFlowInputParams())
board.prepare_session()
board.add_streamer(f"streaming_board://225.1.1.1:{sys.argv[1]}")
board.start_stream()
print("ready", flush=True)
sys.stdin.read()
board.stop_stream()
board.release_session()
