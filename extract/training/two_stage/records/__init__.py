"""Records of conversations: read, checked, written out as tokens, and put in order."""
