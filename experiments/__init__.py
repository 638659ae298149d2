"""Programs that wire the library together; they own the configuration."""
