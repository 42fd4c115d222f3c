"""HTTP around bots: the worker, the hub, the command line."""
