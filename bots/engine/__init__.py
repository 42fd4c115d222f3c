"""Decoding: from the token ids of a prompt to those of its answer."""
