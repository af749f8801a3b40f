"""A sending function's libraries: boto3 with both clients, aiosmtplib, email, Powertools, pydantic."""

import email.message
import email.policy
import email.utils

import aiosmtplib
import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from benchmarks.imports import plain_settings

SES = boto3.client("sesv2")
SECRETS_MANAGER = boto3.client("secretsmanager")
LOGGER = Logger(service="bench")
METRICS = Metrics(namespace="bench", service="bench")
TRACER = Tracer(service="bench")
APP = APIGatewayHttpResolver(enable_validation=True)
SMTP = aiosmtplib.SMTP
MESSAGE = email.message.EmailMessage(policy=email.policy.SMTP)
SETTINGS = plain_settings.SETTINGS
