/* For any processor: the compiler splits a vector into what the machine has. */
#include "kernels.h"

#define KERNELS training_kernels_plain
#define KERNELS_NAME "plain"
#define TILE_CHANNELS 6
#define TILE_COLUMNS 1
#define CORRELATE_BAND 4
#define WEIGHT_CHANNELS 2
#define WEIGHT_TAPS 3
#define WEIGHT_BAND_BYTES 24576
#define DENSE_ROWS 6
#define DENSE_BLOCKS 1
#define DENSE_VECTORS 1

#include "kernels/all.h"
