"""From a model's path or type to the class that serves it.

`known` lists the families, `detection` reads a model folder's files, `importing` loads a class, and
`registry` answers with them. Adding a family is one file in `bots/families/` and one line in
`MODEL_DICT`, with lines in `MODEL_NAME_TO_MODEL_DICT` where published ids exist.
"""
