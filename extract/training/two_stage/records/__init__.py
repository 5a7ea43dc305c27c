"""Conversation records: reading, checking, tokenising and ordering."""
