"""What the hub's own check refuses in a card's front matter: as far as its documentation says."""

import re
from typing import Any

import yaml

LICENSES = {
    *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "cc-by-nd-4.0", "odbl", "pddl", "gpl-3.0", "other", "unknown", "openrail"),
}
"""Some of the identifiers of https://huggingface.co/docs/hub/repositories-licenses."""

SIZES = re.compile(r"n<1K|1K<n<10K|10K<n<100K|100K<n<1M|1M<n<10M|10M<n<100M|100M<n<1B|1B<n<10B|n>1T")


def check_card(content: str, kind: str) -> list[str]:
    """What is wrong with a card; empty where all is well."""
    match = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", content, re.DOTALL)
    if match is None:
        return ["no front matter"]
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(data, dict):
        return ["front matter is not a mapping"]
    return [*_check_fields(data), *(_check_results(data) if kind == "model" else _check_tables(data))]


def _check_fields(data: dict[str, Any]) -> list[str]:
    errors = []
    if "license" in data and data["license"] not in LICENSES:
        errors.append(f'"license" must be one of the known ones, not {data["license"]!r}')
    if data.get("license") == "other" and not isinstance(data.get("license_name"), str):
        errors.append('"license_name" is required where license is other')
    for key in ("tags", "task_categories", "language", "size_categories", "datasets"):
        if key in data and not (isinstance(data[key], list) and all(isinstance(item, str) for item in data[key])):
            errors.append(f'"{key}" must be an array of strings')
    for code in data.get("language", []):
        if not re.fullmatch(r"[a-z]{2,3}|multilingual|code", str(code)):
            errors.append(f'"language" must only contain ISO 639 codes, not {code!r}')
    for size in data.get("size_categories", []):
        if not SIZES.fullmatch(str(size)):
            errors.append(f'"size_categories" must be one of the known ones, not {size!r}')
    for tag in data.get("tags", []):
        if len(tag) > 96:
            errors.append(f'"tags" must be at most 96 characters, not {tag!r}')
    return errors


def _check_tables(data: dict[str, Any]) -> list[str]:
    """Names and files of the tables that the hub's viewer shows."""
    errors = []
    for entry in data.get("configs", []):
        name, files = entry.get("config_name"), entry.get("data_files")
        if not isinstance(name, str) or re.search(r"[<>:/\\|?*]", name):
            errors.append(f'"configs.config_name" is not a name: {name!r}')
        if not isinstance(files, str | list):
            errors.append('"configs.data_files" is missing')
    return errors


def _check_results(data: dict[str, Any]) -> list[str]:
    """The structure of model-index."""
    errors = []
    for index, model in enumerate(data.get("model-index", [])):
        if not isinstance(model.get("name"), str):
            errors.append(f'"model-index[{index}].name" is required')
        for result in model.get("results", []):
            if not isinstance(result.get("task", {}).get("type"), str):
                errors.append(f'"model-index[{index}].results.task.type" is required')
            dataset = result.get("dataset", {})
            if not isinstance(dataset.get("type"), str) or not isinstance(dataset.get("name"), str):
                errors.append(f'"model-index[{index}].results.dataset" needs a type and a name')
            for metric in result.get("metrics", []):
                if not isinstance(metric.get("type"), str) or "value" not in metric:
                    errors.append(f'"model-index[{index}].results.metrics" need a type and a value')
    return errors
