"""From bytes to a data set: reading files, splitting without leaks, texts on disk, token lengths.

Knows tables, columns and parts. Does not know models, the store or any screen.
Import the module that you need (`core.data.intake`, `core.data.splits`, ...): this package imports nothing.
"""
