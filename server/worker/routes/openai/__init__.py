"""The endpoints of OpenAI's API that a worker has."""
