"""Samples made clean: causal filters with kept state, line noise, a quality gate."""
