"""The environment that the template gives every function: their modules read it when they are imported."""

import json
import os

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_KEY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)

os.environ.update(
    ALLOW_PROJECT_SMTP="true",
    SERVER_FROM_ADDRESS="The Platform <no-reply@platform.example>",
    SERVER_APPROVED_SENDERS="support@platform.example",
    PROJECT_SECRET_PREFIX="project-smtp/",
    EVENT_BUS_NAME="platform",
    APP_BASE_URL="https://app.platform.example",
    JWT_ISSUER="https://issuer.example",
    JWT_AUDIENCE="mailer",
    JWT_JWKS=json.dumps({"keys": [{**_KEY, "kid": "key-1"}]}),
    POWERTOOLS_SERVICE_NAME="mailer",
    POWERTOOLS_METRICS_NAMESPACE="mailer",
    AWS_DEFAULT_REGION="eu-west-1",
)
