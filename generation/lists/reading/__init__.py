"""Tables as spreadsheets write and paste them: what is in the cells, and what the columns are."""
