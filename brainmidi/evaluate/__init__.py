"""The models' figures that their cards and the README quote, and the simulated brain's profile, a command each."""
