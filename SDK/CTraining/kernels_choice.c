#include <string.h>

#include "kernels.h"

const kernels *training_kernels(const char *name) {
#if defined(__x86_64__)
  const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 && (!name || strcmp(name, "avx512") == 0)) return &training_kernels_avx512;
  if (avx2 && (!name || strcmp(name, "avx2") == 0)) return &training_kernels_avx2;
#endif
  if (!name || strcmp(name, "plain") == 0) return &training_kernels_plain;
  return NULL;
}
