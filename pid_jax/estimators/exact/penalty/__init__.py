"""Penalty continuation with joint Newton steps on the host: no compilation, any shape, dense or listed pairs."""
