"""A command's parts as jobs: on this machine or under Slurm, through submitit; and how far they are."""
