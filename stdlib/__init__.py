"""Layers of the standard library, written in the language."""
