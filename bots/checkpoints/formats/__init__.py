"""Original checkpoint formats, one folder each; the table is `bots.registry.formats.FORMATS`.

A folder's `__init__.py` defines its `FORMAT` and imports no model library.
"""
