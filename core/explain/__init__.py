"""What a model attends to. Nothing here is imported at start: torch is loaded on the first reading."""
