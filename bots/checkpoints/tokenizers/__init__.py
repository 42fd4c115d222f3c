"""Tokenizers on SentencePiece models and declared special tokens, and their export."""
