"""The demo's page, and the application that serves it."""
