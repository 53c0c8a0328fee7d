"""Figures about predictions: arithmetic on arrays of class indices. Knows no model and no file."""
