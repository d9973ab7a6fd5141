// Loops over many numbers, for Tensors: sums of updates, and the numbers that updates are sent as.
//
// Every function but ct_will_fill is pure: memory in, memory out, no allocation. Each gives the same bits on every
// machine, whatever vector instructions it has: the file is compiled without contraction of products and sums.
#ifndef CTENSORS_H
#define CTENSORS_H

#include <stddef.h>
#include <stdint.h>

#if __has_feature(nullability) || defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// New memory that is about to be filled from one end to the other: large parts of it come in large pages, which are
// had sooner than many small ones.
void ct_will_fill(void *room, size_t size);

// The greatest magnitude of `n` floats, which may begin at any byte; +infinity if one is infinite or not a number.
float ct_largest(const void *x, size_t n);

// sum[i] += x[i] * factor, rounded to a whole number, for each of the `count` updates. Whole numbers have one sum in
// whatever order they are added, which is the point of it. |x * factor| must be below 2^51. Returns how many places are
// done: all, or those before the first run of numbers of which one is above `limit` or none.
size_t ct_add(
    int64_t *sum, const float *const _Nonnull *_Nonnull x, const double *factor, size_t count, float limit, size_t n);
// mean[i] = sum[i] * inverse
void ct_mean(const int64_t *sum, double inverse, float *mean, size_t n);
// The same as both, bit by bit, for updates that are all there: the sum is never in memory.
size_t ct_mean_of(
    const float *const _Nonnull *_Nonnull x, const double *factor, size_t count, double inverse, float limit,
    float *mean, size_t n);

// y = a - b, and y = a + b
void ct_subtract(const float *a, const float *b, float *y, size_t n);
void ct_plus(const float *a, const float *b, float *y, size_t n);

// Half precision, and the upper half of a float; to the nearest, ties to even.
void ct_to_f16(const float *x, uint16_t *y, size_t n);
void ct_from_f16(const uint16_t *x, float *y, size_t n);
void ct_to_bf16(const float *x, uint16_t *y, size_t n);
void ct_from_bf16(const uint16_t *x, float *y, size_t n);

// Blocks of CT_BLOCK values share a scale, so that each value is a whole number from -levels to levels.
#define CT_BLOCK 1024
size_t ct_blocks(size_t n);
// To the nearest, or with `seed` other than 0 up or down by chance, so that the mean of many is right (QSGD).
void ct_to_i8(const float *x, int8_t *y, float *scales, int32_t levels, uint64_t seed, size_t n);
void ct_from_i8(const int8_t *x, const float *scales, float *y, size_t n);

// The k values of the greatest magnitude, in their order: their places and values; of equal ones the first. `room` is
// of ct_top_room(k) bytes.
size_t ct_top_room(size_t k);
void ct_top(const float *x, size_t n, size_t k, uint32_t *places, float *values, void *room);
void ct_scatter(float *y, const uint32_t *places, const float *values, size_t k);

// Per coordinate over `count` updates: the mean without the `cut` least and the `cut` greatest. (count - 1) / 2 of them
// cut is the median. `room` is for count * CT_LANE floats.
#define CT_LANE 64
void ct_trimmed_mean(
    const float *const _Nonnull *_Nonnull x, size_t count, size_t cut, float *y, size_t n, float *room);
// The square of the distance.
double ct_distance(const float *a, const float *b, size_t n);

#if __has_feature(nullability) || defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
