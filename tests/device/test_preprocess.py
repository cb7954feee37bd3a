"""From image file to tensor: what every combination means, and what is refused."""

from __future__ import annotations

import io
import json
import tarfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecls.device import preprocess as module
from edgecls.device.errors import EdgeclsError
from edgecls.device.preprocess import INTERPOLATIONS, MODES, RESIZES, ImageError, Preprocess

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos-100.tar"
Array = np.ndarray


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def make(**changes: object) -> Preprocess:
    """A preprocess of 8×8, with statistics for its mode."""
    channels = 1 if changes.get("mode") == "L" else 3
    values = {"size": (8, 8), "mean": (0.5,) * channels, "std": (0.25,) * channels, **changes}
    return Preprocess(**values)


@pytest.fixture
def noise() -> Image.Image:
    """48 wide and 32 high."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("resize", RESIZES)
def test_every_combination_gives_one_contiguous_tensor(
    noise: Image.Image, resize: str, interpolation: str, mode: str
) -> None:
    how = make(size=(8, 12), resize=resize, interpolation=interpolation, mode=mode)
    for antialias in (True,) if interpolation == "lanczos" else (True, False):
        how = replace(how, antialias=antialias)
        tensor = how.load(encoded(noise))
        assert tensor.dtype == np.uint8
        assert (1, *tensor.shape) == how.input_shape == (1, 8, 12, how.channels)
        assert tensor.flags.c_contiguous
        assert tensor.flags.writeable
        assert np.array_equal(how(noise), tensor)


def test_stretch_takes_the_whole_image(noise: Image.Image) -> None:
    tensor = make().load(encoded(noise))
    expected = noise.resize((8, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(tensor, np.asarray(expected))


def test_the_order_of_the_two_passes_is_ours_and_not_that_of_pillows_version() -> None:
    # 311×475 to 128×96: Pillow 12 begins with the width, Pillow 13 with the height.
    pixels = np.random.default_rng(0).integers(0, 256, (475, 311, 3), np.uint8)
    image = Image.fromarray(pixels)
    tensor = make(size=(96, 128), interpolation="bicubic")(image)
    wide = image.resize((128, 475), Image.Resampling.BICUBIC)
    tall = image.resize((311, 96), Image.Resampling.BICUBIC)
    assert np.array_equal(tensor, np.asarray(wide.resize((128, 96), Image.Resampling.BICUBIC)))
    assert not np.array_equal(tensor, np.asarray(tall.resize((128, 96), Image.Resampling.BICUBIC)))


def test_shortest_crops_the_centre() -> None:
    # Three equal squares side by side: the middle one is all that is left.
    image = Image.new("RGB", (48, 16), (255, 0, 0))
    image.paste((0, 0, 255), (16, 0, 32, 16))
    tensor = make(resize="shortest", interpolation="nearest").load(encoded(image))
    assert (tensor == [0, 0, 255]).all()
    tall = make(resize="shortest", interpolation="nearest").load(
        encoded(image.transpose(Image.Transpose.ROTATE_90))
    )
    assert (tall == [0, 0, 255]).all()


def test_a_crop_ratio_leaves_a_margin_away() -> None:
    # A border of an eighth on every side is what 0.75 leaves away.
    image = Image.new("RGB", (64, 64), (255, 0, 0))
    image.paste((0, 0, 255), (8, 8, 56, 56))
    how = make(size=(24, 24), resize="shortest", crop_ratio=0.75, interpolation="nearest")
    assert (how.load(encoded(image)) == [0, 0, 255]).all()
    wider = make(size=(24, 24), resize="shortest", crop_ratio=0.8, interpolation="nearest")
    assert (wider.load(encoded(image))[0] == [255, 0, 0]).all()


@pytest.mark.parametrize("fill", [0, 114, 255])
@pytest.mark.parametrize("mode", MODES)
def test_pad_fits_the_image_inside_and_fills_the_rest(mode: str, fill: int) -> None:
    image = Image.new("RGB", (32, 16), (200, 200, 200))
    tensor = make(resize="pad", fill=fill, mode=mode).load(encoded(image))
    assert (tensor[2:6] == 200).all()
    assert (tensor[:2] == fill).all()
    assert (tensor[6:] == fill).all()


def test_a_thin_image_keeps_a_pixel() -> None:
    for size in ((1000, 1), (1, 1000)):
        for resize in RESIZES:
            tensor = make(resize=resize).load(encoded(Image.new("RGB", size, (9, 9, 9))))
            assert tensor.shape == (8, 8, 3)
            assert (tensor == 9).any()


def test_an_image_of_the_right_size_is_left_as_it_is(noise: Image.Image) -> None:
    for resize in RESIZES:
        for interpolation in INTERPOLATIONS:
            how = make(size=(32, 48), resize=resize, interpolation=interpolation)
            assert np.array_equal(how.load(encoded(noise)), np.asarray(noise))


def test_antialiasing_takes_in_every_pixel_and_its_absence_the_neighbours() -> None:
    # A chequered board: its mean is gray, its pixels are black and white.
    board = Image.fromarray((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))
    smooth = make(mode="L", interpolation="bilinear").load(encoded(board))
    assert abs(smooth.astype(int) - 127).max() < 12
    dots = Image.fromarray(np.zeros((64, 64), np.uint8))
    dots.putpixel((1, 1), 255)
    assert make(mode="L").load(encoded(dots)).max() > 0
    assert make(mode="L", antialias=False).load(encoded(dots)).max() == 0


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_without_antialiasing_a_gradient_is_sampled_at_pixel_centres(interpolation: str) -> None:
    gradient = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1)))
    tensor = make(mode="L", antialias=False, interpolation=interpolation).load(encoded(gradient))
    expected = (np.arange(8) * 8 + 4 - 0.5) * 4  # between the two pixels around the centre
    assert np.allclose(tensor[:, :, 0], expected, atol=1)


def test_bgr_is_rgb_turned_round_and_l_is_its_luma() -> None:
    image = encoded(Image.new("RGB", (8, 8), (200, 100, 50)))
    assert make().load(image)[0, 0].tolist() == [200, 100, 50]
    assert make(mode="BGR").load(image)[0, 0].tolist() == [50, 100, 200]
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert abs(int(make(mode="L").load(image)[0, 0, 0]) - luma) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_image_upright_where_it_is_asked_to(orientation: int) -> None:
    upright = np.arange(6 * 4, dtype=np.uint8).reshape(6, 4) * 10
    # What a camera stores, for the image to be upright after the turn that the tag asks for.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    height, width = stored.shape
    assert np.array_equal(make(size=(6, 4), mode="L").load(data)[:, :, 0], upright)
    assert np.array_equal(
        make(size=(height, width), mode="L", exif=False).load(data)[:, :, 0], stored
    )


def test_16_bit_gray_is_scaled_to_8() -> None:
    values = np.array([[0, 257, 32896, 65535]] * 8, np.uint16).repeat(2, axis=1)
    for kind in ("PNG", "TIFF"):
        tensor = make(size=(8, 8), mode="L").load(encoded(Image.fromarray(values), kind))
        assert tensor[0, ::2, 0].tolist() == [0, 1, 128, 255]
    small = Image.fromarray(np.full((8, 8), 200, np.uint16))
    assert make().load(encoded(small)).max() == 200


def test_floats_are_0_to_255_and_what_is_no_number_is_0() -> None:
    values = np.array([[-5.0, 100.4, 300.0, np.nan]] * 4, np.float32)
    tensor = make(size=(4, 4), mode="L").load(encoded(Image.fromarray(values), "TIFF"))
    assert tensor[0, :, 0].tolist() == [0, 100, 255, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_white(mode: str) -> None:
    colour = {"RGBA": (200, 0, 0), "LA": (200,)}[mode]
    for alpha, share in ((0, 0.0), (255, 1.0), (128, 128 / 255)):
        tensor = make().load(encoded(Image.new(mode, (8, 8), (*colour, alpha))))
        full = np.array(colour if mode == "RGBA" else colour * 3)
        assert np.allclose(tensor[0, 0], 255 + (full - 255) * share, atol=1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(kind: str) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 8, 4))
    tensor = make().load(encoded(image, kind, transparency=0))
    assert (tensor[:4] == 255).all()
    assert (tensor[4:] == [0, 0, 255]).all()


def test_a_transparent_gray_or_colour_is_white() -> None:
    gray = encoded(Image.new("L", (8, 8), 7), transparency=7)
    colour = encoded(Image.new("RGB", (8, 8), (1, 2, 3)), transparency=(1, 2, 3))
    assert (make().load(gray) == 255).all()
    assert (make(mode="L").load(colour) == 255).all()


@pytest.mark.parametrize(
    ("mode", "kind", "colour", "rgb"),
    [
        ("CMYK", "JPEG", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", "TIFF", (0, 0, 0, 255), (0, 0, 0)),
        ("YCbCr", "JPEG", (128, 128, 128), (128, 128, 128)),
        ("1", "PNG", 1, (255, 255, 255)),
        ("L", "WEBP", 77, (77, 77, 77)),
        ("RGB", "BMP", (1, 2, 3), (1, 2, 3)),
        ("RGB", "PPM", (1, 2, 3), (1, 2, 3)),
        ("RGB", "TGA", (1, 2, 3), (1, 2, 3)),
    ],
)
def test_other_colour_spaces_and_formats_become_rgb(
    mode: str, kind: str, colour: object, rgb: tuple[int, ...]
) -> None:
    tensor = make().load(encoded(Image.new(mode, (8, 8), colour), kind))
    assert np.allclose(tensor, rgb, atol=3)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (make().load(data) == [255, 0, 0]).all()


def test_a_path_and_its_bytes_are_the_same(tmp_path: Path, noise: Image.Image) -> None:
    (tmp_path / "image").write_bytes(encoded(noise))
    for source in (tmp_path / "image", str(tmp_path / "image")):
        assert np.array_equal(make().load(source), make().load(encoded(noise)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image|cannot be decoded"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not an image"),
        (bytes(1000), "not an image"),
    ],
)
def test_what_is_no_image_is_an_image_error(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        make().load(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_half_a_file_is_an_image_error(noise: Image.Image, kind: str) -> None:
    data = encoded(noise, kind)
    for share in (0.5, 0.9):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of what it finds
            with pytest.raises(ImageError):
                make().load(data[: int(len(data) * share)])


def test_a_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        make().load(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="directory"):
        make().load(tmp_path)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 63)
    with pytest.raises(ImageError, match="8x8 pixels is more than 63"):
        make().load(encoded(Image.new("RGB", (8, 8))))


def test_it_survives_json(noise: Image.Image) -> None:
    how = make(size=(8, 12), resize="pad", fill=9, mode="BGR", interpolation="bicubic", exif=False)
    data = json.loads(json.dumps(how.to_json()))
    assert Preprocess.from_json(data) == how
    assert np.array_equal(Preprocess.from_json(data)(noise), how(noise))
    assert Preprocess.from_json({"size": [8, 8]}) == Preprocess((8, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resize": "fit"}, "unknown resize 'fit'\n  fix: valid: stretch, shortest, pad"),
        ({"interpolation": "area"}, "unknown interpolation 'area'"),
        ({"mode": "HSV"}, "unknown mode 'HSV'"),
        ({"mode": ["RGB"]}, "unknown mode"),
        ({"size": [0, 8]}, "size"),
        ({"size": [8]}, "size"),
        ({"size": 8}, "size"),
        ({"size": ["8", "8"]}, "size"),
        ({"size": [8.0, 8.0]}, "size"),
        ({"size": None}, "size"),
        ({"crop_ratio": 0}, "crop_ratio"),
        ({"crop_ratio": 1.1}, "crop_ratio"),
        ({"crop_ratio": "1"}, "crop_ratio"),
        ({"fill": 256}, "fill"),
        ({"fill": 0.5}, "fill"),
        ({"antialias": "no"}, "antialias"),
        ({"exif": 1}, "exif"),
        ({"interpolation": "lanczos", "antialias": False}, "lanczos"),
        ({"mean": [0.5]}, "need 3 values each for mode RGB"),
        ({"mode": "L"}, "need 1 values each for mode L"),
        ({"std": [0.2, 0.2, "0.2"]}, "need 3 values"),
        ({"std": [0.2, 0.2, 0.0]}, "std must be positive"),
        ({"mean": [0.5, 0.5, float("nan")]}, "need 3 values"),
        ({"more": 1}, "unknown or missing fields"),
    ],
)
def test_unknown_values_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(EdgeclsError, match=message):
        Preprocess.from_json({**make().to_json(), **changes})


@pytest.mark.parametrize("data", [{}, {"mode": "RGB"}, [], None, "size"])
def test_what_is_no_description_is_refused(data: object) -> None:
    with pytest.raises(EdgeclsError, match="unknown or missing fields"):
        Preprocess.from_json(data)


@pytest.mark.skipif(not PHOTOS.is_file(), reason="the real photographs are not here")
def test_a_hundred_photographs_give_tensors_that_look_like_them() -> None:
    how = Preprocess((64, 64), resize="shortest", crop_ratio=0.875)
    errors = {}
    with tarfile.open(PHOTOS) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None:
                continue
            data = stream.read()
            tensor = how.load(data)
            image = Image.open(io.BytesIO(data)).convert("RGB")
            side = round(min(image.size) * 0.875)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            centre = image.crop((left, top, left + side, top + side))
            expected = np.asarray(centre.resize((8, 8), Image.Resampling.BOX), np.float64)
            found = tensor.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
            errors[member.name] = abs(expected - found).mean()
    assert len(errors) == 100
    assert max(errors.values()) < 8, errors
    assert np.mean(list(errors.values())) < 3
