"""One file per model family: its prompt, defaults, stop tokens and tidying.

Copy the one that is nearest to yours; `docs/adding-a-model.md` explains the steps.
"""
