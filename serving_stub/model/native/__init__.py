"""Small C++ kernels for bf16 on a CPU, built on first use where a compiler exists; everything works without them."""
