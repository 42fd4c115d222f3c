"""The hub: starts the workers of a zoo file, watches them, serves the page and the worker list."""
