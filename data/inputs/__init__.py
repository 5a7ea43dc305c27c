"""Files from outside, read with suspicion: bounded JSON and TOML, schemas, exact names before patterns."""
