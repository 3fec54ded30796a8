"""Lists: many pictures ordered with one table, a row for each."""
