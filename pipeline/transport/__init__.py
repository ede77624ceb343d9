"""The Faust batch transport: hands a stream one message per batch of whole record batches of one partition number."""
