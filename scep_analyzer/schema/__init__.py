"""The JSON Schema of the published output, as package data."""
