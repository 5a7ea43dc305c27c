"""Step one: run a vision-language model under four conditions and write run folders (torch, transformers)."""
