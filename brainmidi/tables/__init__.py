"""The tables of ``session.toml``: what each key may be, and what it is where the file is silent."""
