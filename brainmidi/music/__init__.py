"""Harmony, metre, form and the parts that play together."""
