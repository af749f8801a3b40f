"""What HTTP callers send and see: requests, responses and problems, in the words of the API."""
