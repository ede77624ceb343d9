"""Mindbox: webhooks of scenarios, whose body the account writes as a template, and customer actions as its SDK has."""
