"""What restoring the files of a user takes: jobs, places, and going on later."""
