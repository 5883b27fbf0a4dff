"""A metric writer that remembers its calls."""

from sisr_jax.run.writers import MetricWriter


class Recorder(MetricWriter):
    """Remembers the calls."""

    def __init__(self):
        self.calls = []

    def write_scalars(self, step, scalars):
        self.calls.append((step, dict(scalars)))

    def write_images(self, step, images):
        self.calls.append((step, sorted(images)))

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")
