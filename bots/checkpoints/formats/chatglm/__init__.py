"""ChatGLM-6B."""
