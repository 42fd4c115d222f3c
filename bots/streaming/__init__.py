"""From a bot's steps to the events of an answer."""
