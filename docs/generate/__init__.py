"""What the pages and notebooks are made of: examples, experiments, sections."""
