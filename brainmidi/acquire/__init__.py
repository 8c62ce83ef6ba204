"""Where samples come from: boards, recordings and the simulated brain."""
