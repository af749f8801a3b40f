"""Outbound e-mail for platforms with many tenants: by the project's own relay, or not at all.

The packages, lowest first; each imports only packages below it (`pyproject.toml`, "layers"):

`problem`, `project`  one thing that is wrong with an input; the identity of a project
`message`             addresses, drafts, and the octets composed from them
`relay`               where mail goes: relays, providers, and what the operator lets projects reach
`smtp`                replies, verdicts and outcomes of an attempt; no I/O
`ledger`              records of messages, keys, limits and relays, and their transitions
`errors`              why a request ends without a message sent
`secret`              a project's secret: parsed, validated, edited, resolved to a transport
`input`, `token`      untrusted JSON and links; what a bearer token says
`settings`            the operator's settings
`template`            stored templates and placeholders
`diagnosis`           why a failure happened, and what an admin changes
`system_email`        lifecycle events and the e-mails made of them
`ports`               what the use cases need from the outside
`service`             the use cases: `sending` and `configuring`
`observation`         log lines and metrics of each use case
`api`                 requests and answers over HTTP
`adapters`            all I/O
`wiring`              builds the adapters and reads the environment
"""
