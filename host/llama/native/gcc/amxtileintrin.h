/* gcc's intrinsics for AMX tiles, with what they read told to the compiler.
 *
 * gcc 12 declares that `ldtilecfg` reads 8 bytes of its 64, and that `tileloadd` reads none. The stores before them look as if
 * nobody read them, are optimised away, and the first prompt ends the process (https://github.com/ggml-org/llama.cpp/pull/26954).
 * `.cargo/config.toml` puts this folder before the compiler's own (`CPLUS_INCLUDE_PATH`): <immintrin.h> then gets gcc's file
 * through this one, and these in the place of three of its names. clang has no file of this name.
 */
#include_next <amxtileintrin.h>

#ifndef MYNAH_AMXTILEINTRIN_H
#define MYNAH_AMXTILEINTRIN_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define _tile_loadconfig(config) \
  __asm__ volatile ("ldtilecfg\t%X0" :: "m" (*(const char (*)[64]) (config)) : "memory")

#undef _tile_loadd_internal
#define _tile_loadd_internal(dst, base, stride) \
  __asm__ volatile ("{tileloadd\t(%0,%1,1), %%tmm" #dst "|tileloadd\t%%tmm" #dst ", [%0+%1*1]}" \
                    :: "r" ((const void *) (base)), "r" ((long) (stride)) : "memory")

#undef _tile_stream_loadd_internal
#define _tile_stream_loadd_internal(dst, base, stride) \
  __asm__ volatile ("{tileloaddt1\t(%0,%1,1), %%tmm" #dst "|tileloaddt1\t%%tmm" #dst ", [%0+%1*1]}" \
                    :: "r" ((const void *) (base)), "r" ((long) (stride)) : "memory")

#endif

#endif
