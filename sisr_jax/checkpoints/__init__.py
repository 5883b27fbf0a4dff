"""What a run keeps of its state, through Orbax, on a disk or in a bucket.

* `items`: the parts that a checkpoint consists of
* `save`, `restore`: writes them, reads them back
* `keep`: which checkpoints stay
* `unfinished`: saves that were cut short
* `outages`: a storage that is away
* `pretrained`: the weights of one network, for another run
"""
