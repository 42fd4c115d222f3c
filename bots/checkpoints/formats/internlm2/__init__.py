"""InternLM2 and AMchat."""
