"""Hugging Face folders: what is in one, and what of it a program's tensors and params are."""
