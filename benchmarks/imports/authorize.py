"""The authorizer, ready to verify a token."""

from functions.authorize import app

HANDLER = app.lambda_handler
