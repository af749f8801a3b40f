"""Measurements that compare Nodemailer, aiosmtplib and this project, in one run on one machine.

- Measurements: `round_trips`, `work`, `cold_start`, `handler`.
- Tools: `rig` starts `sink` and `delay_proxy` (separate processes, controlled by `control`); `content` and `authority`
  prepare messages and certificates; `clients` has one program per client; `spec` is their input and output.
- Output: `goals`, `report`.
"""
