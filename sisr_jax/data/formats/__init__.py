"""Image files: one module a format, headers before pixels."""
