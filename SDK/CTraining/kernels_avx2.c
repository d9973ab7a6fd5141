/* A vector is two registers of 16. */
#if defined(__x86_64__)
#include "kernels.h"

#define KERNELS training_kernels_avx2
#define KERNELS_NAME "avx2"
#define TILE_CHANNELS 6
#define TILE_COLUMNS 1
#define CORRELATE_BAND 4
#define WEIGHT_CHANNELS 2
#define WEIGHT_TAPS 3
#define WEIGHT_BAND_BYTES 24576
#define DENSE_ROWS 6
#define DENSE_BLOCKS 1
#define DENSE_VECTORS 1

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "kernels/all.h"
#pragma clang attribute pop
#endif
