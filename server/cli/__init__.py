"""ChatZoo in a terminal: talk to one worker, compare several, list what can be served."""
