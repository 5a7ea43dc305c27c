"""Counting work, keeping results of studies, and describing the machine."""
