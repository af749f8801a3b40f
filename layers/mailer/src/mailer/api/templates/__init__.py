"""Requests and answers of `/v1/projects/{projectId}/templates`."""
