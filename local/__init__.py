"""The embedded stack: the same `template.yaml` and the same handlers, without Docker and without an AWS account.

- `stack` starts everything and stops it. `option` reads the settings, `state` writes `stack.json` for other programs.
- AWS: `template` reads the template and `deploy` creates its resources in `cloud`, which is moto's server.
  `moto_threads` and `moto_labels` correct faults of moto. `cloudtrail` puts the events of changed secrets on the bus.
  `exchange` records a request to moto and its answer.
- Functions: `environment` runs each handler in a process, whose main program is `runtime`. `gateway` is the HTTP API
  (`http_event`: its payload format, `http_server`: werkzeug); `queue_pump` delivers queues and `schedule` fires
  schedules, both read from the template by `event_source`.
- Mail: `relay` is an SMTP relay with a private CA (`certificate`); `inbox` keeps what the relay and SES received, and
  `inbox_page` shows it.
- Data: `project` has the seeded projects, `token` their signed tokens.
- `demo` shows what the service does; `client` is its HTTP client. `sam_local` lets containers use the stack.
"""
