"""The journal's alerts as the topic `allowance.alerts`, each exactly once."""
