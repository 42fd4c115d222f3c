"""The hub: runs the workers of a zoo file, polls their health, serves the page and the list."""
