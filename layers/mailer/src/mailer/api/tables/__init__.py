"""The route tables, one for each function that serves HTTP; a table has the name of its function."""
