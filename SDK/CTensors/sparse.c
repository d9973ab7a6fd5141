#include "ctensors.h"
#include "lanes.h"

#include <string.h>

static inline uint32_t magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits & 0x7fffffff;
}

// How many values share each of the numbers that `shift` and `mask` cut out of their magnitude, of those whose upper
// bits are `prefix`. Two tables by turns: equal neighbours would wait for one another.
static void count(const float *x, size_t n, uint32_t prefix, int prefix_shift, int shift, uint32_t mask, uint64_t *room) {
  uint64_t *other = room + 1024;
  memset(room, 0, 2048 * sizeof *room);
  for (size_t i = 0; i < n; i++) {
    uint32_t m = magnitude(x[i]);
    if (m >> prefix_shift == prefix) (i & 1 ? other : room)[m >> shift & mask]++;
  }
  for (size_t i = 0; i < 1024; i++) room[i] += other[i];
}

// The magnitude of the value that has k - 1 greater or equal ones before it, found ten or eleven bits at a time; what
// is left of k then is how many of those that equal it belong to the k greatest.
static uint32_t threshold(const float *x, size_t n, size_t *k, uint64_t *room) {
  static const struct { int prefix_shift, shift; uint32_t mask; } steps[] = {
      {31, 21, 1023}, {21, 11, 1023}, {11, 1, 1023}, {1, 0, 1}};
  uint32_t prefix = 0;
  for (size_t step = 0; step < sizeof steps / sizeof *steps; step++) {
    count(x, n, prefix, steps[step].prefix_shift, steps[step].shift, steps[step].mask, room);
    uint32_t digit = steps[step].mask;
    while (room[digit] < *k) *k -= room[digit--];
    prefix = prefix << (steps[step].prefix_shift - steps[step].shift) | digit;
  }
  return prefix;
}

void ct_top(const float *x, size_t n, size_t k, uint32_t *places, float *values, uint64_t *room) {
  if (k == 0 || n == 0) return;
  size_t wanted = k, equal = k, found = 0;
  uint32_t least = threshold(x, n, &equal, room);
  for (size_t i = 0; i < n && found < wanted; i++) {
    uint32_t m = magnitude(x[i]);
    if (m < least) continue;
    if (m == least && equal-- == 0) { equal = 0; continue; }
    places[found] = (uint32_t)i;
    values[found++] = x[i];
  }
}

void ct_scatter(float *y, const uint32_t *places, const float *values, size_t k) {
  for (size_t i = 0; i < k; i++) y[places[i]] = values[i];
}
