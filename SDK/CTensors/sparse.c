#include "ctensors.h"
#include "lanes.h"

#include <string.h>

static inline uint32_t magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits & 0x7fffffff;
}

#define COUNTS 2048

// How many values share each of the numbers that `shift` and `mask` cut out of their magnitude, of those whose upper
// bits are `prefix`. Two tables by turns: equal neighbours would wait for one another.
static void count(
    const float *x, size_t n, uint32_t prefix, int prefix_shift, int shift, uint32_t mask, uint64_t *room) {
  uint64_t *other = room + 1024;
  memset(room, 0, COUNTS * sizeof *room);
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

// A guess from a few of the values, which lets somewhat more than k of them through.
#define SAMPLE 16384
static uint32_t guess(const float *x, size_t n, size_t k, uint64_t *counts) {
  float sample[SAMPLE];
  size_t step = n / SAMPLE, wanted = k / step + k / step / 8 + 64;
  if (wanted >= SAMPLE) return 0;
  for (size_t i = 0; i < SAMPLE; i++) sample[i] = x[i * step];
  return threshold(sample, SAMPLE, &wanted, counts);
}

#define GROUP 16
CT_LANES static size_t collect(
    const float *x, size_t n, uint32_t least, uint32_t *places, float *values, size_t capacity) {
  size_t found = 0;
  for (size_t start = 0; start < n; start += GROUP) {
    size_t end = n - start < GROUP ? n : start + GROUP;
    if (end - start == GROUP) {
      // Most groups have none, which all of their values together tell.
      uint32_t largest = 0;
      for (size_t i = 0; i < GROUP; i++) {
        uint32_t m = magnitude(x[start + i]);
        largest = m > largest ? m : largest;
      }
      if (largest < least) continue;
    }
    if (found + GROUP > capacity) return capacity;
    for (size_t i = start; i < end; i++) {
      places[found] = (uint32_t)i;
      values[found] = x[i];
      found += magnitude(x[i]) >= least;
    }
  }
  return found;
}

// How many candidates there may be: enough for a guess that is wrong by half.
static size_t capacity_for(size_t k) { return k + k / 2 + 65536; }

size_t ct_top_room(size_t k) {
  return COUNTS * sizeof(uint64_t) + capacity_for(k) * (sizeof(uint32_t) + sizeof(float));
}

// Of `count` candidates, or of all x if they have no places.
static void select_top(
    const float *x, const uint32_t *from, size_t count, size_t k, uint32_t *places, float *values, uint64_t *counts) {
  size_t equal = k, found = 0;
  uint32_t least = threshold(x, count, &equal, counts);
  for (size_t i = 0; i < count && found < k; i++) {
    uint32_t m = magnitude(x[i]);
    if (m < least || (m == least && equal == 0)) continue;
    if (m == least) equal--;
    places[found] = from ? from[i] : (uint32_t)i;
    values[found++] = x[i];
  }
}

void ct_top(const float *x, size_t n, size_t k, uint32_t *places, float *values, void *room) {
  if (k == 0 || n == 0) return;
  uint64_t *counts = room;
  float *candidates = (float *)(counts + COUNTS);
  uint32_t *from = (uint32_t *)(candidates + capacity_for(k));
  if (n >= 16 * SAMPLE && k <= n / 8) {
    size_t found = collect(x, n, guess(x, n, k, counts), from, candidates, capacity_for(k));
    if (found >= k && found < capacity_for(k)) return select_top(candidates, from, found, k, places, values, counts);
  }
  select_top(x, 0, n, k, places, values, counts);
}

void ct_scatter(float *y, const uint32_t *places, const float *values, size_t k) {
  for (size_t i = 0; i < k; i++) y[places[i]] = values[i];
}
