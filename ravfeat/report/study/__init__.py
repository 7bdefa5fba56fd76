"""Published beside measured: the lines of a reproduced study, as a table, a drawing and a section of the report."""
