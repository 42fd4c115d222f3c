"""Protocols of 2023, for clients of ChatZoo, ChatGLM, EduChat and MOSS."""
