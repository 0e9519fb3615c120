"""transformers' own Llama on our dequantised weights: what the engine is compared with."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State

NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""GGUF's names of a layer's weights and those of transformers."""


def transformers_llama(config: ModelConfig, state: State, dtype: torch.dtype) -> LlamaForCausalLM:
    """The model in *dtype*, ready to generate."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.ffn_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_kv_heads,
            max_position_embeddings=config.max_model_len,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            tie_word_embeddings=True,
        )
    )
    theirs = {
        "model.embed_tokens.weight": state["token_embd.weight"],
        "model.norm.weight": state["output_norm.weight"],
    }
    for i in range(config.num_layers):
        for ours, name in NAMES.items():
            theirs[f"model.layers.{i}.{name}.weight"] = state[f"blk.{i}.{ours}.weight"]
    missing, unexpected = model.load_state_dict(theirs, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    model.to(dtype)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
    return model


def greedy(
    model: LlamaForCausalLM, prompts: torch.Tensor, num_tokens: int, processors: LogitsProcessorList | None = None
) -> torch.Tensor:
    """Exactly *num_tokens* greedy tokens after each of *prompts* [B, S]; answers [B, num_tokens]."""
    # The end token is ignored, so that every row does the same work.
    generate: Any = model.generate  # what its annotation says differs between releases
    with torch.inference_mode():
        out = generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            logits_processor=processors,
        )
    assert isinstance(out, torch.Tensor)
    return out[:, prompts.shape[1] :]
