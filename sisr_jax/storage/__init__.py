"""The storage of a run: a local folder or a Google Cloud Storage bucket.

* `folder`: opens a folder, local or `gs://`, and checks that it can be written
* `files`: writes a file whole or not at all
* `upload_buffer`: files that grow, where a storage only takes whole objects
* `failures`: the many errors of storages as one
"""
