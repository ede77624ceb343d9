"""The Faust agents: they read, decide, append, apply, acknowledge; what they decide is the core's."""
