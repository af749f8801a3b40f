"""All I/O: each module speaks to one kind of outside and translates its failures once."""
