"""The sending function as it starts."""

from functions.send import app

HANDLER = app.lambda_handler
