"""Tables of the report; `cells` holds what all of them share."""
