"""GGUF files, run by llama.cpp in the worker's process."""
