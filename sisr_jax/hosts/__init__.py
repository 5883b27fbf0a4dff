"""Many devices and hosts as one run: mesh, agreement, leaving early, supervision."""
