"""The model: weights, tokenizer and one forward pass over a block-accounted KV cache."""
