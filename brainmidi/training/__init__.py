"""How the shipped weights were made: corpora, augmentation, the fit loop and model cards."""
