"""Scores, baselines, tables and figures of a trained or untrained method."""
