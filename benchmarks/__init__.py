"""Side-by-side measurements of Nodemailer, aiosmtplib and this project: one run, one sink, one machine.

- Measurements: `round_trips`, `work`, `cold_start`, `handler`.
- Tools: `rig` starts `sink` and `delay_proxy` (separate processes, controlled by `control`); `content` and `authority`
  prepare messages and certificates; `clients` has one program per client; `spec` is their input and output.
- Output: `goals`, `report`.
"""
