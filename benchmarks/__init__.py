"""Measurements, run by `make bench`; docs/benchmarks.md has the results."""
