"""A metric writer that remembers its calls."""

from sisr_jax.run.writers import MetricWriter


class Recorder(MetricWriter):
    """Remembers the calls."""

    def __init__(self):
        self.calls = []

    def write_scalars(self, step, scalars, *, protocol=""):
        named = {"protocol": protocol} if protocol else {}
        self.calls.append((step, dict(scalars) | named))

    def write_texts(self, step, texts):
        self.calls.append((step, dict(texts)))

    def write_images(self, step, images):
        self.calls.append((step, sorted(images)))

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")
