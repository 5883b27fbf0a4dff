"""What a run keeps of its state, through Orbax: save, restore, outages, weights."""
