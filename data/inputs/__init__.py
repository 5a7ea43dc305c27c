"""Reading of untrusted files: bounded JSON and TOML, schemas, exact names before patterns."""
