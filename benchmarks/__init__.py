"""Side-by-side measurements of Nodemailer, aiosmtplib and this project: one run, one sink, one machine.

The map. What is measured: `round_trips`, `work`, `cold_start`, `handler`. What it is measured with: `rig` starts `sink`
and `delay_proxy` (processes of their own, steered over `control`), `content` and `authority` prepare what both sides
need, `clients` holds one program per contestant, `spec` is what is said to them and what they answer. What is printed:
`goals`, `report`.
"""
