"""A page that shows what voice and face of a recording say: HTML from a prediction, a local server, a Space."""
