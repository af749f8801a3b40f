"""The embedded stack: the same `template.yaml` and the same handlers, without Docker and without an AWS account.

The map. `template` reads the template, `deploy` creates its resources in `cloud` (moto's server). `environment` runs
the handlers, each in a process that is `runtime`; `gateway` is the HTTP API in front of them (`http_event` speaks its
payload format, `http_server` its HTTP). `relay` is a real SMTP relay under a private CA (`certificate`); `inbox` keeps
what it and SES received, `inbox_page` shows it. `stack` starts all of these and stops them, with the
`option`s it is given, the seeded `project`s and signed `token`s; `state` tells other programs where everything is.
`demo` tells the story, as a `client` would live it; `sam_local` lets containers take part.
"""
