"""Cards of published caches and heads, ``README.md``: metadata that the Hugging Face hub reads, and text for people."""
