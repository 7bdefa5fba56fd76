"""Pure functions of arrays: pooling, streaming sums, float16, softmax."""
