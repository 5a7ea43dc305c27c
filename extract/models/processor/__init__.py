"""Tokenizer, chat template and image processor of a checkpoint."""
