"""What workers do, in slices while the studio works, to rows from before an update."""
