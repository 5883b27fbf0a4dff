"""Reconstruction without learning, from a measurement and its operator."""
