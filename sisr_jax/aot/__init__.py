"""What the TPU compiler makes of a configuration, without a TPU."""
