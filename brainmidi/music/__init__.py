"""Harmony, metre and the two parts that play together."""
