"""What turns learning into a run: folder, preparation, loop, metrics, report."""
