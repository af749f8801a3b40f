"""Outbound e-mail for platforms with many tenants: by the project's own relay, or not at all.

The map. Values and pure functions: `address`, `project`, `settings`, `relay`, `configuration`, `resolution`,
`sender`, `draft`, `compose`, `message`, `reply`, `outcome`, `diagnosis`, `errors`. What HTTP callers see: `api`.
Use cases: `service`. I/O: `ports` names what the use cases need, `adapters` does it, `wiring` puts both together.
"""
