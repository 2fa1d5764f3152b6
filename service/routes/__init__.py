"""The HTTP addresses, one module a family. Each has `routes(service)`; service/app.py puts them together."""
