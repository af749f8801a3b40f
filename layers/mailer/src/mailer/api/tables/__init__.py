"""The route tables of the functions that serve HTTP; each table's module has the name of its function."""
