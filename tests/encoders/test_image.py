"""Image models on faces, against transformers run picture by picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.image import ImageEncoder, load_image_encoder, reads_pictures
from ravfeat.encoders.weights import open_weights
from ravfeat.errors import EncoderError
from tests.toyfaces import cropped_faces, faces_of

VIT = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
SQUARE = {"size": {"height": 32, "width": 32}}
WITHIN = {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}}
SMALL = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}

# Family, class, its settings, its image processor, that one's settings, what is read.
FAMILIES: dict[str, tuple[str, str, dict[str, Any], str, dict[str, Any], str]] = {
    "vit": ("ViT", "ForImageClassification", VIT, "ViT", {**SQUARE, "image_mean": [0.4, 0.5, 0.6]}, "cls"),
    "dinov2": ("Dinov2", "Model", VIT, "Bit", {"size": {"shortest_edge": 36}, "crop_size": SQUARE["size"]}, "cls"),
    "clip": ("CLIPVision", "Model", VIT, "CLIP", {"size": {"shortest_edge": 32}, "crop_size": SQUARE["size"]}, "cls"),
    "siglip": ("SiglipVision", "Model", VIT, "Siglip", SQUARE, "mean"),
    "mobilenet": ("MobileNetV2", "ForImageClassification", {"depth_multiplier": 0.35}, "MobileNetV2", WITHIN, "pooled"),
    "convnext": ("ConvNext", "ForImageClassification", SMALL, "ConvNext", {"size": {"shortest_edge": 64}}, "pooled"),
    "segformer": ("Segformer", "ForImageClassification", {}, "Segformer", {"size": {"height": 64, "width": 64}},
                  "average"),
}  # fmt: skip


def save(folder: Path, family: str, **changes: Any) -> Path:
    """A model of a family with random weights, and its image processor, as their authors would publish it."""
    name, kind, settings, processor, processing, _ = FAMILIES[family]
    torch.manual_seed(0)
    model = getattr(transformers, name + kind)(getattr(transformers, f"{name}Config")(**{**settings, **changes}))
    with torch.no_grad():
        for values in model.parameters():
            values.add_(0.05 * torch.randn_like(values))
    model.save_pretrained(folder)
    getattr(transformers, f"{processor}ImageProcessorPil")(**processing).save_pretrained(folder)
    return folder


def load(folder: Path, margin: float = 1.0) -> ImageEncoder:
    return load_image_encoder(
        open_weights(folder), "tiny", "cpu", steps=("boxes/1",), margin=margin, frame_rate_hz=30.0
    )  # fmt: skip


def refused(folder: Path, match: str) -> None:
    with pytest.raises(EncoderError, match=match) as error:
        load(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def by_the_library(folder: Path, crops: np.ndarray, readout: str) -> np.ndarray:
    """Features as transformers gives them for each crop alone."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    for crop in crops:
        with torch.inference_mode():
            output = model(**processor(crop, return_tensors="pt"), output_hidden_states=True)
        if readout == "pooled":
            rows.append(output.pooler_output.reshape(1, -1))
        elif readout == "average":
            rows.append(output.last_hidden_state.mean((2, 3)))
        else:
            stack = torch.cat([*output.hidden_states[:-1], output.last_hidden_state])  # (L, tokens, D)
            rows.append(stack[:, 0] if readout == "cls" else stack.mean(1))
    return torch.stack(rows).numpy()


def full_crops(encoder: ImageEncoder, n: int) -> np.ndarray:
    size = encoder._input.crop_size
    return np.random.default_rng(n).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_equal_the_librarys_own_processor_and_model_picture_by_picture(family, tmp_path, far_apart) -> None:
    encoder = load(save(tmp_path / "model", family))
    crops = full_crops(encoder, 5)
    (states,) = encoder.encode([encoder.prepare(cropped_faces(crops))])
    expected = by_the_library(tmp_path / "model", crops, FAMILIES[family][-1])
    assert states.dtype == np.float32
    assert states.shape == (5, encoder.spec.n_layers, encoder.spec.dim)
    assert far_apart(states, expected) < 1e-5


@pytest.mark.parametrize("family", ["vit", "mobilenet"])
def test_pieces_together_equal_pictures_alone(family, tmp_path, far_apart) -> None:
    encoder = load(save(tmp_path / "model", family))
    batch = [encoder.prepare(faces_of(n, seed=n)) for n in (3, 0, 4)]
    together = encoder.encode(batch)
    assert [len(states) for states in together] == [3, 0, 4]
    for states, piece in zip(together, batch, strict=True):
        for row, picture in enumerate(piece.values):
            (alone,) = encoder.encode([EncoderInput(picture[None], np.zeros(1))])
            assert far_apart(states[row : row + 1], alone) < 1e-5


def test_only_empty_pieces_give_no_frames(tmp_path) -> None:
    encoder = load(save(tmp_path / "model", "vit"))
    assert [states.shape for states in encoder.encode([encoder.prepare(faces_of(0))] * 2)] == [(0, 4, 32)] * 2


@pytest.mark.parametrize(
    ("family", "layers", "dim", "convention"),
    [
        ("vit", 4, 32, "CLS token of hidden_states[:-1] + last_hidden_state/1"),
        ("siglip", 4, 32, "mean token of hidden_states[:-1] + last_hidden_state/1"),
        ("mobilenet", 1, 1280, "pooler_output/1"),
        ("segformer", 1, 256, "average of last_hidden_state/1"),
    ],
)
def test_the_layers_are_named_by_how_they_are_read(family, layers, dim, convention, tmp_path) -> None:
    spec = load(save(tmp_path / "model", family)).spec
    assert (spec.stream, spec.n_layers, spec.dim, spec.layer_convention) == ("face", layers, dim, convention)


def test_the_identity_holds_boxes_crop_and_input(tmp_path) -> None:
    encoder = load(save(tmp_path / "model", "mobilenet"), margin=1.25)
    boxes, crop, picture_input = encoder.spec.identity()["preprocessing"]
    assert boxes == "boxes/1"
    assert "margin 1.25, 72 px" in crop
    assert picture_input == "middle 64 px, rgb, (x * 0.00392156863 - [0.5 0.5 0.5]) / [0.5 0.5 0.5]/1"
    assert encoder.needs == {"detector"}
    assert encoder.batching == "pieces"


def test_other_normalisation_of_the_same_weights_is_another_encoder(tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    one = load(folder).spec.identity()
    transformers.ViTImageProcessorPil(**SQUARE, image_std=[0.2, 0.2, 0.2]).save_pretrained(folder)
    two = load(folder).spec.identity()
    assert one["weights"] == two["weights"]
    assert one["preprocessing"] != two["preprocessing"]


def test_prepared_crops_are_bytes_of_the_middle_with_their_columns(tmp_path) -> None:
    faces = faces_of(4)
    clip = load(save(tmp_path / "model", "mobilenet")).prepare(faces)
    assert (clip.values.shape, clip.values.dtype) == ((4, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(clip.times_s, faces.times_s)
    np.testing.assert_array_equal(clip.columns["box"], faces.boxes)
    np.testing.assert_array_equal(clip.columns["found"], [1, 0, 1, 1])


def test_a_classifier_needs_no_pooling_weights_where_tokens_are_read(tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    assert not any("pooler" in key for key in load_file(folder / "model.safetensors"))
    assert load(folder).spec.n_layers == 4


def test_a_missing_tensor_is_named(tmp_path) -> None:
    folder = save(tmp_path / "model", "mobilenet")
    weights = load_file(folder / "model.safetensors")
    weights.pop("mobilenet_v2.conv_1x1.convolution.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, r"1 are missing \(conv_1x1.convolution.weight …\).*must not run on random weights")


def test_without_an_image_processor_nobody_knows_how_pictures_are_scaled(tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    (folder / "preprocessor_config.json").unlink()
    refused(folder, "has no preprocessor_config.json and no image processor in processor_config.json, which")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"image_processor_type": "NoSuchProcessor"}', "preprocessor_config.json cannot be used"),
        (
            '{"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 24}}',
            r"asks for the size \{'height': 32, 'width': 24\}.*; expected a square within a square",
        ),
        (
            '{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 24}, "crop_size": 32}',
            "asks for the size.*24.* and the middle .*32.*; expected a square within a square",
        ),
        (
            '{"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 32, "width": 32}}',
            "describes a EfficientNetImageProcessorPil that does more than resize, take the middle, scale and normalis",
        ),
        (
            '{"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}}',
            "cannot read pictures of 24 x 24 pixels, which its preprocessor asks for",
        ),
    ],
)
def test_an_image_processor_that_would_be_misread_is_refused(text, match, tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
    refused(folder, match)


def test_an_image_processor_within_that_of_a_processor_is_obeyed(tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    alone = load(folder).spec
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    nested = folder / "processor_config.json"
    nested.write_text(json.dumps({"image_processor": settings}))
    assert load(folder).spec == alone
    nested.write_text(json.dumps({"image_processor": settings | {"image_std": [0.2, 0.2, 0.2]}}))
    refused(folder, r"preprocessor_config.json and .*processor_config.json, image_processor contradict each other")
    (folder / "preprocessor_config.json").unlink()
    assert load(folder).spec.preprocessing[-1].endswith("/ [0.2 0.2 0.2]/1")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"image_std": [0, 0, 0]}, r": image_std is \[0.0, 0.0, 0.0\], expected numbers other than 0"),
        ({"image_mean": "abc"}, ": image_mean or image_std is 'abc', expected a number"),
        ({"image_mean": [0.5]}, ": image_mean or image_std is"),
        ({"image_mean": [0.5, None, 0.5]}, ": image_mean or image_std is"),
        ({"rescale_factor": "a"}, ': rescale_factor is "a", expected a number'),
        ({"rescale_factor": float("inf")}, ": rescale_factor is Infinity"),
        ({"rescale_factor": -1}, ": rescale_factor is -1"),
        ({"do_resize": 3}, ": do_resize is 3, expected true or false"),
        ({"size": {"height": 1_000_000, "width": 1_000_000}}, " asks for the size .* of at most 4096 pixels"),
        ({"size": {"height": 0, "width": 0}}, " asks for the size"),
        ({"size": "large"}, " cannot be used"),
        ({"size": {"height": "a", "width": "a"}}, ""),
    ],
    ids=str,
)
def test_impossible_settings_of_an_image_processor_are_named(changes, match, tmp_path) -> None:
    folder = save(tmp_path / "model", "vit")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    refused(folder, f"preprocessor_config.json{match}")


def config_only(folder: Path, config: Any) -> Path:
    """A configuration beside weights that nobody should get as far as reading."""
    config.save_pretrained(folder)
    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
    transformers.ViTImageProcessorPil(**SQUARE).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (transformers.YolosConfig(), "'yolos', which finds objects and describes no picture as a whole; expected an"),
        (transformers.VideoMAEConfig(), "'videomae', which reads videos and not single pictures; expected an encoder"),
        (transformers.CLIPConfig(), r"'clip', which reads text too; save its picture side alone \(model.vision_model"),
        (transformers.BertConfig(), "'bert', which does not read pictures; expected an encoder of pictures"),
        (transformers.WavLMConfig(), "'wavlm', which does not read pictures; expected an encoder of pictures"),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_families_that_are_no_image_encoders_are_refused(config, match, tmp_path) -> None:
    refused(config_only(tmp_path / "other", config), match)


def test_a_model_that_hides_patches_by_chance_is_refused(tmp_path) -> None:
    folder = tmp_path / "mae"
    transformers.ViTMAEModel(transformers.ViTMAEConfig(**VIT)).save_pretrained(folder)
    transformers.ViTImageProcessorPil(**SQUARE).save_pretrained(folder)
    refused(folder, "'vit_mae' that gives other features for the same picture every time")


def test_a_model_of_grey_pictures_is_refused(tmp_path) -> None:
    refused(save(tmp_path / "model", "vit", num_channels=1), r"cannot read pictures of 32 x 32 pixels")


@pytest.mark.parametrize("model_type", ["vit", "mobilenet_v2", "clip", "siglip_vision_model", "yolos", "resnet"])
def test_families_that_look_at_pictures_are_known(model_type) -> None:
    assert reads_pictures(model_type)


@pytest.mark.parametrize("model_type", ["wavlm", "whisper", "hubert", "wav2vec2", "unispeech-sat", "bert", "speecht5"])
def test_families_that_do_not_are_none_of_them(model_type) -> None:
    assert not reads_pictures(model_type)


def test_loading_says_nothing_about_parts_nobody_needs(tmp_path, capfd) -> None:
    save(tmp_path / "model", "vit")
    capfd.readouterr()
    load(tmp_path / "model")
    assert capfd.readouterr() == ("", "")
