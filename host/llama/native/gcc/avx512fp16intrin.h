/* The compiler's intrinsics for arithmetic with half floats, and then as if the CPU had none (AVX512-FP16).
 *
 * Where it has, ggml adds attention's values up in rows of 128 halves, and what is left of a row one by one, converted without the CPU's help. Of a
 * head of 64 all is left: SmolLM2 then took 49 ms for a token behind 4,000 others, and takes 21 ms like this, when ggml adds 64 at a time,
 * as floats (`ggml_vec_mad_f16`). Nothing else in llama.cpp asks for the macro but the sum of a dot product, which is the same with and without.
 */
#include_next <avx512fp16intrin.h>

#undef __AVX512FP16__
