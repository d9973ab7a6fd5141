#include "ctensors.h"
#include "lanes.h"

#include <math.h>
#include <string.h>

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// By whole numbers and not by conversion instructions, which not every machine has: it vectorises as well.
CT_LANES void ct_to_f16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = bits_of(x[i]), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    // A product with 2^-112 moves the exponent, and makes subnormal numbers rightly rounded ones by a sum.
    uint32_t rounded = magnitude + 0xc8000000u + 0xfff + (magnitude >> 13 & 1);
    uint32_t normal = rounded >> 13;
    uint32_t small = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000;
    uint32_t half = magnitude < 0x38800000 ? small : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    y[i] = (uint16_t)(sign | half);
  }
}

CT_LANES void ct_from_f16(const uint16_t *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t sign = (uint32_t)(x[i] & 0x8000) << 16, magnitude = x[i] & 0x7fff;
    uint32_t normal = (magnitude << 13) + 0x38000000;
    uint32_t small = bits_of(float_of(magnitude | 0x3f000000) - 0.5f);
    // 0.5 has steps of 2^-24, which is what the least half is.
    uint32_t bits = magnitude < 0x400 ? small : normal;
    bits = magnitude >= 0x7c00 ? normal + 0x38000000 : bits;
    y[i] = float_of(sign | bits);
  }
}

CT_LANES void ct_to_bf16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = bits_of(x[i]);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    y[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 0x40) : rounded);
  }
}

CT_LANES void ct_from_bf16(const uint16_t *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = float_of((uint32_t)x[i] << 16);
}

size_t ct_blocks(size_t n) { return (n + CT_BLOCK - 1) / CT_BLOCK; }

// One number by chance for each place, the same on each machine: a mixing of the place and the seed.
static inline uint32_t chance(uint32_t place, uint32_t seed) {
  uint32_t h = place * 0x9e3779b1u ^ seed;
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ h >> 16;
}

CT_LANES static void block_to_i8(const float *x, int8_t *y, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (int8_t)(int32_t)(bits_of(x[i] * factor + 0x1.8p23f) - 0x4b400000);
}

CT_LANES static void block_by_chance(
    const float *x, int8_t *y, float factor, int32_t levels, uint32_t first, uint32_t seed, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float up = (float)(chance(first + (uint32_t)i, seed) >> 8) * 0x1p-24f;
    int32_t level = (int32_t)floorf(x[i] * factor + up);
    // The greatest of a block may be a little above the highest level, by rounding.
    y[i] = (int8_t)(level > levels ? levels : level);
  }
}

void ct_to_i8(const float *x, int8_t *y, float *scales, int32_t levels, uint64_t seed, size_t n) {
  uint32_t mixed = seed == 0 ? 0 : (uint32_t)(seed ^ seed >> 32) | 1;
  for (size_t start = 0, block = 0; start < n; start += CT_BLOCK, block++) {
    size_t length = n - start < CT_BLOCK ? n - start : CT_BLOCK;
    float largest = ct_largest(x + start, length);
    // A block of numbers that are next to nothing is one of zeroes; their factor would be infinite.
    float factor = largest > 0x1p-100f ? (float)levels / largest : 0;
    scales[block] = factor == 0 ? 0 : largest / (float)levels;
    if (mixed == 0) block_to_i8(x + start, y + start, factor, length);
    else block_by_chance(x + start, y + start, factor, levels, (uint32_t)start, mixed, length);
  }
}

CT_LANES static void block_from_i8(const int8_t *x, float scale, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * scale;
}

void ct_from_i8(const int8_t *x, const float *scales, float *y, size_t n) {
  for (size_t start = 0, block = 0; start < n; start += CT_BLOCK, block++) {
    size_t length = n - start < CT_BLOCK ? n - start : CT_BLOCK;
    block_from_i8(x + start, scales[block], y + start, length);
  }
}
