"""Event files: writers, readers, conversion, validation. Host side only."""
