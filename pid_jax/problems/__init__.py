"""From arrays of a run to PID problems, in numpy on the host."""
