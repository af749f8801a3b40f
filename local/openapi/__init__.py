"""The API's description in OpenAPI 3.1, from what the code reads and writes.

Names of fields, bounds, patterns and codes are those of the readers in `mailer`. What only words can say stands here,
and `shape.closed` refuses to describe another set of fields than the reader knows.
"""
