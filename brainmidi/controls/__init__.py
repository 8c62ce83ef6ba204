"""Features become knobs: baseline, smoothing and the declarative map."""
