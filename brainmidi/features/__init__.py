"""Numbers taken from the signal: band power and event-related potentials."""
