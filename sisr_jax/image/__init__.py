"""Pure image work on `[*batch, height, width, channels]`, without physics."""
