"""Decoding: from token ids to token ids."""
