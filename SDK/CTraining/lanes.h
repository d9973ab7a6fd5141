/*
 * lanes.h: the layout of all that a network computes, and the vector type that goes with it.
 *
 * Sixteen samples lie side by side: a tensor is [block of samples][channel][row][column][16]. Each operation on one
 * number of one sample is then an operation on a whole vector, whatever the shape of the layer: six channels or 28
 * columns waste no lane, a flattened tensor is the same memory, and nothing is ever reordered between two layers.
 * Lanes without a sample (the last block of a small batch) compute something finite, and their gradient is zero.
 */
#ifndef TRAINING_LANES_H
#define TRAINING_LANES_H

#include <stddef.h>
#include <stdint.h>

#define LANES 16u
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(64)));
typedef int32_t lane_bits __attribute__((vector_size(64)));
/* The same, anywhere in memory: parameters and samples come as they come. */
typedef float loose_lanes __attribute__((vector_size(64), aligned(4)));
typedef uint8_t lane_bytes __attribute__((vector_size(16)));

static inline uint32_t blocks_of(uint32_t samples) { return (samples + LANES - 1) / LANES; }

#define LANES_OF(pointer) (*(lanes *)(pointer))
#define CONSTANT_LANES(pointer) (*(const lanes *)(pointer))
#define LOOSE_LANES(pointer) (*(loose_lanes *)(pointer))
#define CONSTANT_LOOSE(pointer) (*(const loose_lanes *)(pointer))

#endif
