"""From the steps of a bot to the events of an answer, and pauses in between."""
