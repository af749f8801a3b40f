"""A configuration function's libraries: those of a sending function, without those for the message."""

import aiosmtplib
import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from benchmarks.imports import plain_settings

SECRETS_MANAGER = boto3.client("secretsmanager")
LOGGER = Logger(service="bench")
METRICS = Metrics(namespace="bench", service="bench")
TRACER = Tracer(service="bench")
APP = APIGatewayHttpResolver(enable_validation=True)
SMTP = aiosmtplib.SMTP
SETTINGS = plain_settings.SETTINGS
