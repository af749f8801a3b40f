"""Other systems' configuration as entries of a project's secret. Pure: nothing is read, sent or printed here."""
