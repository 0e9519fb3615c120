"""The catalogue: every figure has a source, and a wrong file is told where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from serving_stub.errors import SettingError
from serving_stub.roofline.calibrate import THIS_CPU, Effort, measure
from serving_stub.roofline.catalogue import SHIPPED, load_catalogue


def test_the_devices_that_people_serve_on() -> None:
    """Each with what the roofline needs."""
    assert set(load_catalogue().devices) == {"a100", "h100", "h200", "b200", "mi300x"}
    for entry in load_catalogue().devices.values():
        assert {"bf16", "int8"} <= set(entry.peaks)
        assert entry.memory_gb is not None


def test_no_source_is_unused() -> None:
    """A source that no figure names is a leftover."""
    known = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    used = {figure["source"] for device in known["devices"].values() for figure in device.values()}
    assert used | {model["source"] for model in known["models"].values()} == set(known["sources"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {}\ndevices:\n  l40: {memory_gb: 48}\n", ":3:9: memory_gb: "),
        (
            "sources: {mine: x}\ndevices:\n  l40:\n    memory_gb_per_s: {value: 864, source: mien}\n"
            "    host_gb_per_s: {value: 32, source: mine}\n",
            "devices.l40.memory_gb_per_s names the source 'mien', which `sources` does not have, did you mean 'mine'?",
        ),
        ("sources: {}\ndevices:\n  l40:\n    memory_gbs: {value: 1, source: a}\n", ":4:5: memory_gbs: Extra inputs"),
        ("sources: {}\nmodels: [\n", ":3:1: "),
        ("- a\n", ":1:1: "),
        ("", ":1:1: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Path, line and column, and for a misspelling the nearest word."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingError) as told:
        load_catalogue(path)
    assert str(path) in str(told.value)
    assert said in str(told.value)


def test_a_file_adds_and_replaces(tmp_path: Path) -> None:
    """One's own figures win over the shipped ones."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "sources: {mine: measured by us}\n"
        "devices:\n"
        "  h100:\n"
        "    bf16_tflops: {value: 700, source: mine}\n"
        "    memory_gb_per_s: {value: 2800, source: mine}\n"
        "    host_gb_per_s: {value: 50, source: mine}\n"
    )
    assert load_catalogue(path).device("h100", "bf16").ridge_point == 250
    assert "a100" in load_catalogue(path).devices


def test_unknown_names_and_formats() -> None:
    """The message lists what there is."""
    with pytest.raises(SettingError, match=r"unknown device 'h1000', did you mean 'h100'\?; known: a100, b200"):
        load_catalogue().device("h1000", "bf16")
    with pytest.raises(SettingError, match="'a100' has no peak in fp8, only in bf16, int8"):
        load_catalogue().device("a100", "fp8")
    with pytest.raises(SettingError, match=r"unknown model 'llama-3.1-9b', did you mean"):
        load_catalogue().model("llama-3.1-9b")


def test_a_calibration_is_a_catalogue(tmp_path: Path) -> None:
    """What was measured here can be read back like any other device."""
    calibration = measure(Effort(num_elements=1 << 20, num_rows=128, rounds=2))
    path = tmp_path / "device.yaml"
    path.write_text(calibration.to_yaml("a test: with a colon"))
    catalogue = load_catalogue(path)
    device = catalogue.device(THIS_CPU, "bf16")
    assert device.bytes_per_s == pytest.approx(calibration.bytes_per_s, rel=1e-3)
    assert device.flops_per_s == pytest.approx(calibration.flops_per_s["bf16"], rel=1e-3)
    assert device.memory_bytes is None
    assert catalogue.sources["measured"] == "a test: with a colon"
