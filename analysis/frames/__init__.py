"""Reads, checks and reshapes the result table into the frames that figures and tables share."""
