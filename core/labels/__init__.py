"""The label scheme, which text to label next, agreement and consensus: arithmetic on arrays and rows."""
