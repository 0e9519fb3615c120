"""Reading a GGUF file, on a small one that is written here."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from serving_stub.model.gguf import GgufFile

HIDDEN, HEADS, KV_HEADS = 64, 4, 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a quantised embedding and q and k rows that are numbered."""
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_context_length(99)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(128)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(5000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_token_list(["<end>", "a", "b", "ab"])
    writer.add_token_types([3, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{{ messages[0].content }}")
    for name, heads in (("blk.0.attn_q.weight", HEADS), ("blk.0.attn_k.weight", KV_HEADS)):
        rows = np.arange(heads * 16, dtype=np.float32)[:, None].repeat(HIDDEN, 1)
        writer.add_tensor(name, rows)
    embedding = np.linspace(-1, 1, 4 * HIDDEN, dtype=np.float32).reshape(4, HIDDEN)
    quantised = gguf.quantize(embedding, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_sizes_are_read(path: Path) -> None:
    """Every size comes from the file."""
    config = GgufFile(path).config("small")
    assert (config.num_layers, config.hidden_size, config.num_heads, config.num_kv_heads) == (3, 64, 4, 2)
    assert (config.head_dim, config.ffn_size, config.vocab_size, config.max_model_len) == (16, 128, 4, 99)
    assert config.rope_base == 5000.0
    assert config.norm_eps == pytest.approx(1e-6)


def test_the_tokenizers_tables_are_read(path: Path) -> None:
    """Vocabulary, merges, control tokens and template."""
    tables = GgufFile(path).tokenizer_tables()
    assert tables.tokens == ["<end>", "a", "b", "ab"]
    assert tables.merges == [("a", "b")]
    assert tables.special_tokens == ["<end>"]
    assert (tables.eos_token_id, tables.chat_template) == (0, "{{ messages[0].content }}")


def test_interleaved_rows_are_put_back(path: Path) -> None:
    """Within a head, rows 0 2 4 … come first, then 1 3 5 …, in every head of q and k."""
    state = GgufFile(path).state()
    head = [0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15]
    for name, heads in (("blk.0.attn_q.weight", HEADS), ("blk.0.attn_k.weight", KV_HEADS)):
        assert state[name][:, 0].tolist() == [16 * h + row for h in range(heads) for row in head]


def test_quantised_weights_come_back_within_their_step(path: Path) -> None:
    """Q8_0 keeps each block of 32 within half of its 127th."""
    weight = GgufFile(path).state()["token_embd.weight"]
    expected = torch.linspace(-1, 1, 4 * HIDDEN).view(4, HIDDEN)
    assert weight.dtype == torch.float32
    assert (weight - expected).abs().max() <= 1 / 127 / 2 + 1e-3


def test_dequantised_weights_are_kept_beside_the_file(path: Path) -> None:
    """The second reading gives the same numbers from the kept file, and nothing half-written stays."""
    first = GgufFile(path).state()
    kept = ["small.fields.json", "small.fp32.safetensors", "small.gguf"]
    assert sorted(file.name for file in path.parent.iterdir()) == kept
    second = GgufFile(path).state()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_rounded_weights_are_kept_too(path: Path) -> None:
    """In bf16 they are the fp32 ones rounded, from the kept file as well."""
    exact = GgufFile(path).state()
    for _ in range(2):
        rounded = GgufFile(path).state(torch.bfloat16)
        assert all(torch.equal(rounded[name], exact[name].to(torch.bfloat16)) for name in exact)


def test_fields_are_read_again_when_the_file_has_changed(path: Path) -> None:
    """What was kept belongs to one file, by its size and time."""
    assert GgufFile(path).config("small").num_layers == 3
    kept = path.with_suffix(".fields.json")
    kept.write_text(kept.read_text().replace('"llama.block_count": 3', '"llama.block_count": 4'))
    assert GgufFile(path).config("small").num_layers == 4, "the kept fields are used"
    os.utime(path, ns=(1, 1))
    assert GgufFile(path).config("small").num_layers == 3
