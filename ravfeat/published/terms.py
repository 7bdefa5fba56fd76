"""What the data that heads were trained on asks of whoever publishes them."""

__all__ = ["data_terms"]


def data_terms(corpus: str, *, synthetic: bool) -> str:
    """Say what is known of a corpus's terms, and plainly where nothing is."""
    if synthetic:
        return "Trained on a generated corpus: no recordings of people, no terms."
    if corpus == "ravdess":
        return (
            "RAVDESS (Livingstone & Russo 2018, doi:10.5281/zenodo.1188976) is CC BY-NC-SA 4.0. Whether heads trained"
            " on it are adapted material is not settled; whoever publishes or uses them inherits the question. Treat"
            " them as under the same terms: name the source, no commercial use, share alike."
        )
    return (
        f"ravfeat does not know the terms of the corpus '{corpus}'. Whoever publishes this folder must state them here,"
        " and must not publish it before having read them."
    )
