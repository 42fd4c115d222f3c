"""Text models of Hugging Face transformers."""
