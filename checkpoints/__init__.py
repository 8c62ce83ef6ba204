"""Trained models that travel with the package: one folder each, with config, weights and model card."""
