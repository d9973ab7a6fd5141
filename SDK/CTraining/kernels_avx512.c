/* A vector is one register of 32. */
#if defined(__x86_64__)
#include "kernels.h"

#define KERNELS training_kernels_avx512
#define KERNELS_NAME "avx512"
#define TILE_CHANNELS 8
#define TILE_COLUMNS 3
#define CORRELATE_BAND 4
#define WEIGHT_CHANNELS 8
#define WEIGHT_TAPS 5
#define WEIGHT_BAND_BYTES 24576
#define DENSE_ROWS 8
#define DENSE_BLOCKS 2
#define DENSE_VECTORS 3

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#include "kernels/all.h"
#pragma clang attribute pop
#endif
