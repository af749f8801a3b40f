"""The API's description in OpenAPI 3.1, generated from the route tables and from the types of bodies."""
