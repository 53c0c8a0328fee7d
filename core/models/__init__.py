"""Base models: which there are, where they lie, loading, saving, the device, texts to logits.

Knows transformers and safetensors. Does not know recipes, runs or pages. Nothing here imports torch
until a function needs it.
"""
