"""Runs a command's parts as jobs, on this machine or under Slurm, through submitit; and tracks their progress."""
