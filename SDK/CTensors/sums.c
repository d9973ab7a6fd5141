#include "ctensors.h"
#include "lanes.h"

#include <math.h>
#include <string.h>

// So many numbers at a time stay in the nearest cache while all updates are added to them.
#define RUN 1024

CT_LANES float ct_largest(const void *x, size_t n) {
  // Without their sign, floats are ordered as the whole numbers that their bits are, infinity and all that is not a
  // number above all others.
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, (const char *)x + 4 * i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  if (largest >= 0x7f800000) return INFINITY;
  float found;
  memcpy(&found, &largest, 4);
  return found;
}

// Added to a small number, it leaves that number's nearest whole one in the lowest bits.
static const double rounder = 0x1.8p52;
static const int64_t rounder_bits = 0x4338000000000000;

CT_LANES static void add_run(int64_t *sum, const float *x, double factor, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double shifted = (double)x[i] * factor + rounder;
    int64_t bits;
    memcpy(&bits, &shifted, 8);
    sum[i] += bits - rounder_bits;
  }
}

// Few enough that fetching what is next keeps up with adding.
#define PART 128
#define LINE 16

// Adds a run, and fetches what follows it in memory meanwhile: many updates take turns, so the processor does not see
// by itself that the next run of this one comes soon.
static void add_and_fetch(int64_t *sum, const float *x, double factor, size_t n) {
  for (size_t start = 0; start < n; start += PART) {
    size_t length = n - start < PART ? n - start : PART;
    for (size_t i = 0; i < length; i += LINE) __builtin_prefetch(x + n + start + i, 0, 2);
    add_run(sum + start, x + start, factor, length);
  }
}

static int fits(const float *const *x, size_t count, size_t start, size_t length, float limit) {
  for (size_t k = 0; k < count; k++)
    if (!(ct_largest(x[k] + start, length) <= limit)) return 0;
  return 1;
}

size_t ct_add(int64_t *sum, const float *const *x, const double *factor, size_t count, float limit, size_t n) {
  for (size_t start = 0; start < n; start += RUN) {
    size_t length = n - start < RUN ? n - start : RUN;
    if (!fits(x, count, start, length, limit)) return start;
    for (size_t k = 0; k < count; k++) add_run(sum + start, x[k] + start, factor[k], length);
  }
  return n;
}

CT_LANES void ct_mean(const int64_t *sum, double inverse, float *mean, size_t n) {
  for (size_t i = 0; i < n; i++) mean[i] = (float)((double)sum[i] * inverse);
}

size_t ct_mean_of(
    const float *const *x, const double *factor, size_t count, double inverse, float limit, float *mean, size_t n) {
  int64_t sum[RUN];
  for (size_t start = 0; start < n; start += RUN) {
    size_t length = n - start < RUN ? n - start : RUN;
    if (!fits(x, count, start, length, limit)) return start;
    memset(sum, 0, sizeof sum);
    for (size_t k = 0; k < count; k++) add_and_fetch(sum, x[k] + start, factor[k], length);
    ct_mean(sum, inverse, mean + start, length);
  }
  return n;
}

CT_LANES void ct_subtract(const float *a, const float *b, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a[i] - b[i];
}

CT_LANES void ct_plus(const float *a, const float *b, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

CT_LANES double ct_distance(const float *a, const float *b, size_t n) {
  // Eight sums side by side, always the same eight, so that the order of additions is the same everywhere.
  double sums[8] = {0};
  for (size_t i = 0; i < n / 8 * 8; i += 8)
    for (size_t j = 0; j < 8; j++) {
      double d = (double)a[i + j] - (double)b[i + j];
      sums[j] += d * d;
    }
  for (size_t i = n / 8 * 8; i < n; i++) {
    double d = (double)a[i] - (double)b[i];
    sums[0] += d * d;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// Sorts lanes of numbers side by side: compare and exchange, which takes no branches. `odd-even` transposition sorts n
// rows in n rounds; few clients are compared so.
CT_LANES static void sort_rows(float *rows, size_t count) {
  for (size_t round = 0; round < count; round++)
    for (size_t row = round & 1; row + 1 < count; row += 2) {
      float *a = rows + row * CT_LANE, *b = a + CT_LANE;
      for (size_t i = 0; i < CT_LANE; i++) {
        float low = a[i] < b[i] ? a[i] : b[i], high = a[i] < b[i] ? b[i] : a[i];
        a[i] = low;
        b[i] = high;
      }
    }
}

void ct_trimmed_mean(const float *const *x, size_t count, size_t cut, float *y, size_t n, float *room) {
  for (size_t start = 0; start < n; start += CT_LANE) {
    size_t length = n - start < CT_LANE ? n - start : CT_LANE;
    memset(room, 0, count * CT_LANE * sizeof(float));
    for (size_t k = 0; k < count; k++) memcpy(room + k * CT_LANE, x[k] + start, length * sizeof(float));
    sort_rows(room, count);
    for (size_t i = 0; i < length; i++) {
      double sum = 0;
      for (size_t k = cut; k < count - cut; k++) sum += (double)room[k * CT_LANE + i];
      y[start + i] = (float)(sum / (double)(count - 2 * cut));
    }
  }
}
