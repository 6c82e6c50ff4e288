"""PlatformIO without its registry: stand-ins for the packages that it would fetch, for tests only."""
