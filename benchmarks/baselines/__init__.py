"""What the studies compare with: BATCH as published, recorded fits, a conic solver, plain `generate`."""
