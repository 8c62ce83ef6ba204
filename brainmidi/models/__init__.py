"""MusicVAE and Music Transformer, written with keras.ops, and what samples from them."""
