"""The endpoints of a worker, one dialect a module."""
