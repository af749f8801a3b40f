"""An authorizer's libraries: Powertools' Logger and Tracer, PyJWT with cryptography."""

import jwt
from aws_lambda_powertools import Logger, Tracer

LOGGER = Logger(service="bench")
TRACER = Tracer(service="bench")
JWKS = jwt.PyJWKSet
