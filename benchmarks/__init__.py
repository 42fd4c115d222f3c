"""What measures. Run by `make bench`; results are in docs/benchmarks.md."""
