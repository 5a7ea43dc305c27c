"""Penalty continuation with joint Newton steps on the host: nothing is compiled, any shape, dense or listed pairs."""
