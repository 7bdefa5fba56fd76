"""Pure functions of arrays: pooling over frames, streaming statistics, float16 conversion, softmax."""
