"""The configuration function as it starts."""

from functions.project_config import app

HANDLER = app.lambda_handler
