"""Requests and answers of `/v1/projects/{projectId}/emails`."""
