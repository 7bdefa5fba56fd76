"""The documentation: pages in Markdown, and the tool that runs what they show."""
