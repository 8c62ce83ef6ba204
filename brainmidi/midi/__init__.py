"""Bars become events on a port and in a file: tempo, timetable, player, ports."""
