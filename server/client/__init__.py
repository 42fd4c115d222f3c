"""A worker as seen by a program."""
