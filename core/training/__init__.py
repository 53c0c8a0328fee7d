"""Fine-tuning as a generator of events. Knows recipes, batches and optimizers; no threads, databases or
screens.
"""
