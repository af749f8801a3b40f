"""The embedded stack: the same `template.yaml` and the same handlers, without Docker and without an AWS account.

The map. `template` reads the template, `deploy` creates its resources in `cloud` (moto's server, made safe for several
threads by `moto_threads`; `cloudtrail` tells of secrets' changes, `exchange` is a request as it is watched).
`environment` runs the handlers, each in a process that is `runtime`; `gateway` is the HTTP API in front of them
(`http_event` speaks its payload format, `http_server` its HTTP), `queue_pump` what takes messages from queues to them
and `schedule` the clock, both as `event_source` reads them from the template. `relay` is a real SMTP relay under a
private CA (`certificate`); `inbox` keeps what it and SES received, `inbox_page` shows it. `stack` starts all of these
and stops them, with the `option`s it is given, the seeded `project`s and signed `token`s; `state` tells other programs
where everything is. `demo` tells the `story` in two parts (`demo_transports`, `demo_deliveries`), as a `client` would
live it; `sam_local` lets containers take part.
"""
