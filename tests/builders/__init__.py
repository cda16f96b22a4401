"""Builds what tests and recipes need: certificates, SCEP messages, packets. Never imports the analyzer."""
