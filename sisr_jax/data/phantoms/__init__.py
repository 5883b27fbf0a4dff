"""Procedural images: nothing to download, nothing to store."""
