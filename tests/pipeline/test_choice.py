"""What is chosen where the recipe leaves it open, and that the recipe has the last word."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecls.data.sniff import Traits
from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.pipeline.choice import choose
from edgecls.pipeline.nets import resolve
from edgecls.recipe import DataSection


def traits(height: int, width: int, grayscale: bool = False, images: int = 1800) -> Traits:
    return Traits(images, 10, 500, height, width, grayscale)


DIGITS = traits(8, 8, grayscale=True)
PHOTOGRAPHS = traits(3000, 4000)


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch) -> Path:
    """Where torch keeps its weights: empty, and nothing is downloaded to make a plan."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delattr("torch.hub.download_url_to_file")
    folder: Path = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_tiny_grayscale_images_get_a_small_gray_input_and_small_nets():
    choice = choose(DIGITS, DataSection(), {})
    assert (choice.preprocess.size, choice.preprocess.mode) == ((32, 32), "L")
    assert len(choice.preprocess.mean) == len(choice.preprocess.std) == 1
    assert choice.preprocess.resize == "stretch" and choice.preprocess.crop_ratio == 1.0
    assert list(choice.models) == ["teacher", "distilled", "student"]
    assert choice.models["teacher"]["label_smoothing"] == 0
    assert choice.models["teacher"]["arch"] == "resnet20"
    assert choice.models["distilled"]["arch"] == "resnet8"
    # A mirrored digit is another one.
    assert {table["augment"] for table in choice.models.values()} == {"light"}


def test_small_colour_images_keep_their_colour():
    choice = choose(traits(32, 32), DataSection(), {})
    assert (choice.preprocess.size, choice.preprocess.mode) == ((32, 32), "RGB")
    assert len(choice.preprocess.mean) == 3
    assert {table["augment"] for table in choice.models.values()} == {"standard"}


def test_large_photographs_are_cropped_to_what_imagenet_nets_take():
    choice = choose(traits(3000, 4000), DataSection(), {})
    assert choice.preprocess.size == (224, 224)
    assert (choice.preprocess.resize, choice.preprocess.crop_ratio) == ("shortest", 0.875)
    assert choice.models["teacher"]["arch"] == "resnet18"
    assert choice.models["distilled"]["arch"] == "mobilenet_v3_small"


@pytest.mark.parametrize(
    ("side", "size"), [(8, 32), (32, 32), (40, 32), (41, 64), (96, 128), (200, 224), (9000, 224)]
)
def test_the_input_is_about_as_large_as_the_images(side, size):
    assert choose(traits(side, side), DataSection(), {}).preprocess.size == (size, size)


@pytest.mark.parametrize("shape", [(20, 60), (60, 20)])
def test_long_images_are_not_squeezed(shape):
    assert choose(traits(*shape), DataSection(), {}).preprocess.resize == "shortest"


@pytest.mark.parametrize("size", [(8, 8), (100, 100), (3000, 4000)])
@pytest.mark.parametrize("grayscale", [True, False])
def test_what_is_chosen_can_be_built(size, grayscale):
    choice = choose(traits(*size, grayscale=grayscale), DataSection(), {})
    nets = resolve(choice.models)
    assert [net.method.name for net in nets] == ["train", "distill", "prune"]
    preprocess = choice.preprocess
    for name in ("teacher", "distilled"):
        zoo.build(choice.models[name]["arch"], 10, preprocess.channels, preprocess.size)


@pytest.mark.parametrize("images", [3, 100, 10**7])
def test_the_fewer_images_the_more_epochs_within_bounds(images):
    models = choose(traits(8, 8, True, images), DataSection(), {}).models
    assert 10 <= models["teacher"]["epochs"] <= 60
    more = choose(traits(8, 8, True, images // 2 + 1), DataSection(), {}).models
    assert more["teacher"]["epochs"] >= models["teacher"]["epochs"]


def test_the_users_input_is_taken():
    section = DataSection(size=48, mode="RGB", resize="pad")
    choice = choose(DIGITS, section, {})
    assert (choice.preprocess.size, choice.preprocess.mode) == ((48, 48), "RGB")
    assert choice.preprocess.resize == "pad"
    assert "as the recipe says" in choice.reasons[0]
    assert choose(traits(32, 32), DataSection(mode="L"), {}).preprocess.mode == "L"


def test_a_table_without_a_method_changes_the_chosen_model():
    untouched = choose(DIGITS, DataSection(), {}).models
    models = choose(DIGITS, DataSection(), {"student": {"macs_ratio": 3.0}}).models
    assert models["student"] == {**untouched["student"], "macs_ratio": 3.0}
    assert models["teacher"] == untouched["teacher"]


def test_a_table_with_a_method_replaces_or_adds():
    mine = {"method": "train", "arch": "lenet5"}
    models = choose(
        DIGITS, DataSection(), {"teacher": mine, "extra": mine, "student": {"epochs": 1}}
    ).models
    assert models["teacher"] == models["extra"] == mine
    assert list(models) == ["teacher", "distilled", "student", "extra"]


def test_models_that_are_all_the_users_own_leave_nothing_to_choose():
    mine = {"only": {"method": "train", "arch": "lenet5"}}
    choice = choose(DIGITS, DataSection(), mine)
    assert choice.models == mine and choice.models["only"] is not mine["only"]
    assert len(choice.reasons) == 1  # that of the input


def test_a_table_that_changes_no_model_is_refused():
    with pytest.raises(UsageError, match=r"models\.studnet has no method") as caught:
        choose(DIGITS, DataSection(), {"studnet": {"epochs": 1}})
    assert "teacher, distilled, student" in caught.value.fix


def test_every_decision_has_its_reason():
    reasons = choose(DIGITS, DataSection(), {}).reasons
    assert "input 32×32, grayscale, stretch" in reasons[0]
    assert any("resnet20" in reason and "resnet8" in reason for reason in reasons)
    assert any("epochs" in reason for reason in reasons)
    assert any("augmentation 'light'" in reason for reason in reasons)


def test_without_weights_at_hand_the_teacher_learns_anew_and_the_plan_says_what_would_be_better(
    hub,
):
    choice = choose(PHOTOGRAPHS, DataSection(), {})
    assert choice.models["teacher"]["method"] == "train"
    (advice,) = [reason for reason in choice.reasons if "pretrained" in reason]
    assert "resnet18-f37072fd.pth from https://download.pytorch.org/models/" in advice
    assert str(hub) in advice and "models.teacher.method to finetune" in advice


def test_weights_at_hand_are_where_the_teacher_begins(hub):
    fresh = choose(PHOTOGRAPHS, DataSection(), {}).models["teacher"]
    (hub / "resnet18-f37072fd.pth").touch()
    choice = choose(PHOTOGRAPHS, DataSection(), {})
    teacher = choice.models["teacher"]
    assert (teacher["method"], teacher["arch"]) == ("finetune", "resnet18")
    assert teacher["weights"] == "DEFAULT" and 0 < teacher["epochs"] < fresh["epochs"]
    assert "the teacher begins with pretrained weights: DEFAULT" in choice.reasons
    assert [net.method.name for net in resolve(choice.models)] == ["finetune", "distill", "prune"]


def test_weights_are_those_of_the_net_that_the_recipe_names(hub):
    (hub / "resnet18-f37072fd.pth").touch()
    for arch in ("resnet34", "resnet8"):  # not here; not published at all
        table = {"teacher": {"arch": arch}}
        assert choose(PHOTOGRAPHS, DataSection(), table).models["teacher"]["method"] == "train"
    (hub / "resnet34-b627a593.pth").touch()
    table = {"teacher": {"arch": "resnet34"}}
    assert choose(PHOTOGRAPHS, DataSection(), table).models["teacher"]["method"] == "finetune"


def test_small_images_have_no_use_for_weights_of_photographs(hub):
    (hub / "resnet18-f37072fd.pth").touch()
    choice = choose(DIGITS, DataSection(), {})
    assert choice.models["teacher"]["method"] == "train"
    assert not any("pretrained" in reason for reason in choice.reasons)
