"""What a comparison of splits looks like: its rows as text and records, and its drawing."""
