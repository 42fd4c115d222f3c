"""One model family a file: its prompt, its settings, its stop tokens."""
