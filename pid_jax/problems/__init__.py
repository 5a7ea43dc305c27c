"""Arrays of a run become PID problems. Numpy on the host."""
