"""The dialects of 2023."""
