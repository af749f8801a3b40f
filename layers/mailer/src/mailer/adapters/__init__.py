"""All I/O: each module talks to one kind of external system and translates its failures."""
