"""Asking engines: one prompt for each text or picture that is no picture of a job, such as a caption or a mask."""
